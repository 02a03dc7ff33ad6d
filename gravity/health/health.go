// Package health finds out how a node is (S32–S36): probes of everything that a
// cluster stands on, the agent's endpoint that shows them, the history of what
// changed, and the application's own status check (S39, S40).
package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// Checker checks one thing.
type Checker struct {
	// Name is stable, in kebab-case.
	Name string
	// Check returns nil if the thing is as it should be, with figures for people.
	// A problem that does not degrade the node is a warning, and what cannot be
	// told is unknown. The context has the checker's own timeout. Checkers run
	// at the same time as others, and never twice at a time.
	Check func(ctx context.Context) (detail string, err error)
}

const (
	// parallel is how many checkers run at a time.
	parallel = 10
	// checkTimeout bounds a checker.
	checkTimeout = 8 * time.Second
)

// warning is an error that does not degrade a node.
type warning struct{ error }

func (w warning) Unwrap() error { return w.error }

// warn makes an error that does not degrade a node.
func warn(format string, args ...any) error { return warning{fmt.Errorf(format, args...)} }

// unknown is an error that says that the state of a thing cannot be told.
type unknown struct{ error }

func (u unknown) Unwrap() error { return u.error }

// Run makes the probes of some checkers, in their order. It returns when all
// checkers have, at most their timeout after the last began.
func Run(ctx context.Context, checkers []Checker) []report.Probe {
	probes := make([]report.Probe, len(checkers))
	slots := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for i, checker := range checkers {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			probes[i] = check(ctx, checker)
		})
	}
	running.Wait()
	return probes
}

func check(ctx context.Context, checker Checker) report.Probe {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("no answer in %s", checkTimeout))
	defer cancel()
	probe := report.Probe{Checker: checker.Name, Status: report.HealthRunning}
	detail, err := checker.Check(ctx)
	probe.Detail = detail
	if err == nil {
		return probe
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	probe.Status, probe.Severity, probe.Error = report.HealthFailed, report.SeverityCritical, oneLine(err.Error())
	if _, ok := errors.AsType[warning](err); ok {
		probe.Severity = report.SeverityWarning
	} else if _, ok := errors.AsType[unknown](err); ok {
		probe.Status = report.HealthUnknown
	}
	return probe
}

// maxError is how long an error in a probe may be, in bytes.
const maxError = 1000

// oneLine is a text without line breaks, of bounded length.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + " …"
	}
	return text
}

// StatusOf is that of a node with some probes.
func StatusOf(probes []report.Probe) string {
	if slices.ContainsFunc(probes, report.Probe.Degrades) {
		return report.HealthDegraded
	}
	return report.HealthRunning
}

// aliases are names that checkers had in the original.
var aliases = map[string]string{"docker": Containerd, "docker-registry": Registry}

// Canonical is the name of a checker, which may be given as the original's.
func Canonical(name string) string {
	if canonical, ok := aliases[name]; ok {
		return canonical
	}
	return name
}
