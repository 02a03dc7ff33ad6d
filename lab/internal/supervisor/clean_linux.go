package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/cgroup"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/network"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/sysctl"
)

// cleanTimeout bounds the wait for the processes of a killed lab to vanish.
const cleanTimeout = 10 * time.Second

// Clean removes what a killed supervisor has left of a lab. The caller holds
// the lock of the state directory.
func Clean(ctx context.Context, stateDir, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, cleanTimeout, errors.New("its processes do not end"))
	defer cancel()
	reserved, err := reserve(ctx, name)
	if err != nil {
		return err
	}
	defer reserved.Close()
	hierarchies, err := cgroup.Hierarchies()
	if err != nil {
		return err
	}
	if err := cgroup.Remove(ctx, hierarchies, name, ""); err != nil {
		return err
	}
	if err := sysctl.Recover(sysctl.Record, sysctl.Root); err != nil {
		return err
	}
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return fmt.Errorf("clean the lab's state directory: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(stateDir, entry.Name())); err != nil {
			return fmt.Errorf("clean the lab's state directory: %w", err)
		}
	}
	return nil
}

// reserve waits until a lab's name is free, as it is once the last thread of a
// dying supervisor is gone.
func reserve(ctx context.Context, name string) (net.Listener, error) {
	for {
		reserved, err := network.Reserve("name/" + name)
		if err == nil {
			return reserved, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("a lab named %s runs on this host with another state directory: %w", name, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Sweep removes the cgroups of labs that are gone together with their state
// directories, of which nobody would know any more. It leaves what it cannot
// remove to the next one.
func Sweep(ctx context.Context) {
	hierarchies, err := cgroup.Hierarchies()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, name := range cgroup.Labs(hierarchies) {
		reserved, err := network.Reserve("name/" + name)
		if err != nil {
			continue // it is alive
		}
		_ = cgroup.Remove(ctx, hierarchies, name, "")
		_ = reserved.Close()
	}
}
