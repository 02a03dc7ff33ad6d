package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

const (
	// settleTime is how long a deployed agent must serve to be relied upon.
	settleTime = 30 * time.Second
	// maxStarts is how often one is started that never served that long: the machine
	// may lose power in between, which says nothing about the agent.
	maxStarts = 3
)

// isDeployed tells whether this process is the deployed program.
func isDeployed(p paths.Paths) bool { return sameFile("/proc/self/exe", p.Deployed()) }

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// becomeDeployed turns this process into the deployed program, if there is one.
// It returns if there is none, or this is it. The error is why it cannot, or must
// not, since it would take the node's way to the API servers along again and again.
func becomeDeployed(p paths.Paths) error {
	if _, err := os.Stat(p.Deployed()); err != nil || isDeployed(p) {
		return nil //nolint:nilerr // there is none
	}
	if err := countStart(p); err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", p.Deployed(), syscall.Exec(p.Deployed(), os.Args, os.Environ()))
}

// becomeAgent turns this process into the agent that is to run now. The installed
// program tells why it is not the deployed one.
func becomeAgent(p paths.Paths) error {
	err := becomeDeployed(p)
	return errors.Join(err, fmt.Errorf("run %s: %w", p.Program(), syscall.Exec(p.Program(), os.Args, os.Environ())))
}

// countStart counts a start of the deployed program, with a byte for each. It fails
// if there were enough.
func countStart(p paths.Paths) error {
	starts, err := os.ReadFile(p.DeployedStarts())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(starts) >= maxStarts {
		return fmt.Errorf("the deployed program has ended %d times within %s; deploy another one with 'gravity agent deploy', "+
			"or withdraw it with 'gravity agent shutdown'", len(starts), settleTime)
	}
	return paths.WriteFile(p.DeployedStarts(), append(starts, '.'), 0o600)
}

// forgetStarts begins to count anew.
func forgetStarts(p paths.Paths) error {
	if err := os.Remove(p.DeployedStarts()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// settle forgets how often a deployed agent was started, when it has served for long
// enough or is told to end before.
func (a *agent) settle(ctx context.Context) error {
	if !a.host.deployed {
		<-ctx.Done()
		return nil
	}
	select {
	case <-ctx.Done():
	case <-time.After(settleTime):
	}
	if err := forgetStarts(a.paths); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
