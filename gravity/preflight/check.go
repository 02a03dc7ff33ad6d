package preflight

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Level is how bad it is when a check does not pass.
type Level string

// The levels.
const (
	// LevelError stops an installation.
	LevelError Level = "error"
	// LevelWarning is shown, and the installation goes on.
	LevelWarning Level = "warning"
)

// Status is what became of a check.
type Status string

// The states of results.
const (
	// StatusPassed says that the machine has what is wanted.
	StatusPassed Status = "passed"
	// StatusWarning is a check of LevelWarning that did not pass.
	StatusWarning Status = "warning"
	// StatusFailed is a check of LevelError that did not pass.
	StatusFailed Status = "failed"
	// StatusSkipped is a check that did not run.
	StatusSkipped Status = "skipped"
)

// Result is what a check found.
type Result struct {
	// Name is the check's, in kebab-case; --skip-check takes it.
	Name string
	// Level is the check's.
	Level Level
	// Status is what became of it.
	Status Status
	// Measured is what the machine has, with figures, in one line.
	Measured string
	// Wanted is the threshold, in one line; it may be empty.
	Wanted string
	// Remedy is what to type or change, in one line; empty unless the check did
	// not pass.
	Remedy string
	// Details are further lines, such as a script's last words.
	Details []string
}

// Check is one thing that must hold on a machine.
type Check struct {
	// Name is stable, in kebab-case.
	Name string
	// Level is how bad it is when the check does not pass.
	Level Level

	skipped string        // why it does not run, if it does not
	limit   time.Duration // for its measuring; zero means defaultLimit
	alone   bool          // it measures what others would disturb
	measure func(context.Context) (finding, error)
}

// finding is what a check measured. An empty remedy means that it passed.
type finding struct {
	measured, wanted, remedy string
	details                  []string
}

func passed(format string, args ...any) finding {
	return finding{measured: fmt.Sprintf(format, args...)}
}

// unless is f if ok, and otherwise f with its remedy.
func (f finding) unless(ok bool, remedy string, args ...any) finding {
	if !ok {
		f.remedy = fmt.Sprintf(remedy, args...)
	}
	return f
}

func (f finding) want(format string, args ...any) finding {
	f.wanted = fmt.Sprintf(format, args...)
	return f
}

// problems collects what is wrong with several things that one check looks at.
type problems struct{ measured, remedies []string }

func (p *problems) add(measured, remedy string) {
	p.measured = append(p.measured, measured)
	p.remedies = append(p.remedies, remedy)
}

// finding joins the problems; without any it is the given one. The remedy is
// the first, and the others are details.
func (p *problems) finding(otherwise finding) finding {
	if len(p.measured) == 0 {
		return otherwise
	}
	otherwise.measured = strings.Join(p.measured, "; ")
	otherwise.remedy = p.remedies[0]
	for i, remedy := range p.remedies {
		if i > 0 && remedy != p.remedies[i-1] {
			otherwise.details = append(otherwise.details, p.measured[i]+": "+remedy)
		}
	}
	return otherwise
}
