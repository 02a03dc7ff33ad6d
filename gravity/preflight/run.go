package preflight

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// defaultLimit is the time that a check has.
	defaultLimit = 20 * time.Second
	// grace is the time for ending after that.
	grace = 3 * time.Second
	// parallel is how many checks run at a time.
	parallel = 8
)

// Run runs the checks, several at a time, and returns the results in the order
// of the checks. It never stops at one that did not pass. What measures the
// speed of disks runs afterwards, one after another.
//
// The error is the cause of the context's end, and nothing else; the results
// are then those that were there, and the other checks count as skipped.
//
// A check that does not end within its time did not pass. One that hangs in the
// kernel, on a file system that is gone, is left behind there.
func Run(ctx context.Context, checks []Check) ([]Result, error) {
	results := make([]Result, len(checks))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, check := range checks {
		if !check.alone {
			group.Go(func() error {
				results[i] = check.run(ctx)
				return nil
			})
		}
	}
	_ = group.Wait()
	for i, check := range checks {
		if check.alone {
			results[i] = check.run(ctx)
		}
	}
	if ctx.Err() != nil {
		return results, context.Cause(ctx)
	}
	return results, nil
}

// errLimit ends a check that takes too long.
var errLimit = errors.New("it took too long")

func (c Check) run(ctx context.Context) Result {
	result := Result{Name: c.Name, Level: c.Level, Status: StatusSkipped}
	if c.skipped != "" {
		result.Measured = c.skipped
		return result
	}
	if ctx.Err() != nil {
		result.Measured = "interrupted"
		return result
	}
	limit := c.limit
	if limit == 0 {
		limit = defaultLimit
	}
	limited, cancel := context.WithTimeoutCause(ctx, limit, errLimit)
	defer cancel()
	type answer struct {
		finding
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		found, err := c.measure(limited)
		answers <- answer{found, err}
	}()
	var got answer
	select {
	case got = <-answers:
	case <-limited.Done():
		// What watches its context ends what it has started, and may say what it
		// has found.
		select {
		case got = <-answers:
		case <-time.After(grace):
			got.err = fmt.Errorf("%w: nothing after %s", errLimit, limit)
		}
	}
	if ctx.Err() != nil {
		result.Measured = "interrupted"
		return result
	}
	return result.fill(got.finding, got.err)
}

func (r Result) fill(found finding, err error) Result {
	if err != nil {
		found.measured = fmt.Sprintf("not measured: %v", err)
		found.remedy = fmt.Sprintf("find out why; --skip-check=%s goes on without this check", r.Name)
	}
	r.Measured, r.Wanted, r.Remedy, r.Details = found.measured, found.wanted, found.remedy, found.details
	switch {
	case found.remedy == "":
		r.Status = StatusPassed
	case r.Level == LevelWarning:
		r.Status = StatusWarning
	default:
		r.Status = StatusFailed
	}
	return r
}
