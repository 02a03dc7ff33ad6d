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
	// checkTimeout bounds a checker, and graceTime is how long it may take to return
	// after that.
	checkTimeout = 8 * time.Second
	graceTime    = 5 * time.Second
)

// warning is an error that does not degrade a node.
type warning struct{ error }

func (w warning) Unwrap() error { return w.error }

// warn makes an error that does not degrade a node.
func warn(format string, args ...any) error { return warning{fmt.Errorf(format, args...)} }

// unknown is an error that says that the state of a thing cannot be told.
type unknown struct{ error }

func (u unknown) Unwrap() error { return u.error }

// Runner makes probes, again and again. The zero value is ready for use.
type Runner struct {
	mu sync.Mutex
	// running has since when checkers run that were begun and have not returned.
	running map[string]time.Time
}

// Run makes the probes of some checkers, in their order. A checker that does not even
// return when its time is over, since the kernel does not answer it, is given up and
// left to itself, and not begun again before it has returned.
func (r *Runner) Run(ctx context.Context, checkers []Checker) []report.Probe {
	probes := make([]report.Probe, len(checkers))
	slots := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for i, checker := range checkers {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			detail, err := r.check(ctx, checker)
			probes[i] = probeOf(checker.Name, detail, err)
		})
	}
	running.Wait()
	return probes
}

// check lets a checker check, and waits until it has or is given up.
func (r *Runner) check(ctx context.Context, checker Checker) (string, error) {
	if since, ok := r.begin(checker.Name); !ok {
		return "", fmt.Errorf("no answer since %s: a disk or the kernel does not answer, see 'dmesg'", since.UTC().Format(time.DateTime))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("no answer in %s", checkTimeout))
	defer cancel()
	type answer struct {
		detail string
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		detail, err := checker.Check(ctx)
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		r.end(checker.Name)
		answers <- answer{detail, err}
	}()
	select {
	case got := <-answers:
		return got.detail, got.err
	case <-ctx.Done():
	}
	select {
	case got := <-answers:
		return got.detail, got.err
	case <-time.After(graceTime):
		return "", fmt.Errorf("%w: it does not end", context.Cause(ctx))
	}
}

// Run makes the probes of some checkers once.
func Run(ctx context.Context, checkers []Checker) []report.Probe {
	return new(Runner).Run(ctx, checkers)
}

// begin notes that a checker runs, unless it still does.
func (r *Runner) begin(name string) (since time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since, found := r.running[name]; found {
		return since, false
	}
	if r.running == nil {
		r.running = map[string]time.Time{}
	}
	r.running[name] = time.Now()
	return time.Time{}, true
}

func (r *Runner) end(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, name)
}

// probeOf is what a checker has found.
func probeOf(name, detail string, err error) report.Probe {
	probe := report.Probe{Checker: name, Detail: detail, Status: report.HealthRunning}
	if err == nil {
		return probe
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
