package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/cgroup"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/disk"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/keys"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/network"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/rootfs"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/sysctl"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// reserveTimeout is longer than anybody holds a name who only cleans up.
const reserveTimeout = 2 * time.Second

// create makes the lab. It is called once.
func (s *supervisor) create(ctx context.Context, spec *wire.Spec, progress func(string)) error {
	if spec == nil || s.isCreated() {
		return errors.New("the lab's supervisor was asked to make a lab in a wrong way")
	}
	s.spec = *spec
	var err error
	reserveCtx, cancel := context.WithTimeout(ctx, reserveTimeout)
	defer cancel()
	if s.name, err = reserve(reserveCtx, spec.Name); err != nil {
		return cli.WithHint(err, "choose another name")
	}
	if s.settings, err = sysctl.Hold(sysctl.Record, sysctl.Root, sysctl.Names); err != nil {
		return err
	}
	if s.hierarchies, err = cgroup.Hierarchies(); err != nil {
		return err
	}
	if s.base, err = rootfs.Ensure(ctx, spec.CacheDir, rootfs.NewRecipe(spec.Packages), progress); err != nil {
		return err
	}
	if s.key, err = keys.New("lab-" + spec.Name); err != nil {
		return err
	}
	if err := s.key.Write(s.keyFile()); err != nil {
		return err
	}
	if s.network, err = network.New(s.stateDir, spec.Name, spec.Subnet, progress); err != nil {
		return err
	}
	if err := disk.Usable(); err != nil {
		s.warnings = append(s.warnings, fmt.Sprintf("machines have no disks of their own, as loop devices cannot be used: %v", err))
	}
	s.mu.Lock()
	s.created = true
	s.mu.Unlock()
	return s.add(ctx, spec.Machines, progress)
}

// add adds machines and waits until they are up; if one fails, none is added.
func (s *supervisor) add(ctx context.Context, names []string, progress func(string)) error {
	added, err := s.enlist(names)
	if err != nil {
		return err
	}
	group, bootCtx := errgroup.WithContext(ctx)
	for _, m := range added {
		group.Go(func() error {
			if err := m.create(bootCtx); err != nil {
				return fmt.Errorf("add machine %s: %w", m.name, err)
			}
			return nil
		})
	}
	if err = group.Wait(); err == nil {
		// All hosts files name all machines from the first moment.
		err = s.writeNames()
	}
	if err == nil {
		group, bootCtx = errgroup.WithContext(ctx)
		for _, m := range added {
			group.Go(func() error { return m.start(bootCtx, progress) })
		}
		err = group.Wait()
	}
	if err != nil && s.end.Err() == nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return errors.Join(err, s.drop(added))
	}
	return err
}

// enlist gives new machines their names and addresses.
func (s *supervisor) enlist(names []string) ([]*machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nextIndex+len(names) > network.MaxMachines {
		return nil, fmt.Errorf("lab %s has no addresses left: a lab has at most %d machines in its life", s.spec.Name, network.MaxMachines)
	}
	var added []*machine
	taken := func(name string) bool {
		return slices.ContainsFunc(slices.Concat(s.machines, added), func(m *machine) bool { return m.name == name })
	}
	for _, name := range names {
		if name == "" {
			for i := s.nextIndex + 1; name == "" || taken(name); i++ {
				name = fmt.Sprintf("node-%d", i)
			}
		}
		if taken(name) {
			return nil, cli.WithHint(fmt.Errorf("lab %s already has a machine named %q", s.spec.Name, name), "choose another name")
		}
		m, err := newMachine(s, name, s.nextIndex)
		if err != nil {
			return nil, err
		}
		s.nextIndex++
		added = append(added, m)
	}
	s.machines = append(s.machines, added...)
	return added, nil
}

// drop removes machines and all that is theirs.
func (s *supervisor) drop(dropped []*machine) error {
	var errs []error
	for _, m := range dropped {
		errs = append(errs, m.remove())
	}
	s.mu.Lock()
	s.machines = slices.DeleteFunc(s.machines, func(m *machine) bool { return slices.Contains(dropped, m) })
	s.mu.Unlock()
	return errors.Join(append(errs, s.writeNames())...)
}

// takeDown removes everything that the lab consists of.
func (s *supervisor) takeDown() error {
	s.log.Info("taking the lab down")
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.operations.Wait()
	s.mu.Lock()
	machines := s.machines
	s.machines = nil
	s.mu.Unlock()
	removed := make([]error, len(machines))
	var group sync.WaitGroup
	for i, m := range machines {
		group.Go(func() { removed[i] = m.remove() })
	}
	group.Wait()
	err := errors.Join(removed...)
	if s.network != nil {
		s.network.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s.hierarchies != nil && s.spec.Name != "" {
		err = errors.Join(err, cgroup.Remove(ctx, s.hierarchies, s.spec.Name, ""))
	}
	if s.settings != nil {
		err = errors.Join(err, s.settings.Release())
	}
	_ = unix.Unmount(s.hostProc(), unix.MNT_DETACH)
	if err != nil {
		s.log.Error("the lab could not be taken down completely", "error", err)
		return err
	}
	return RemoveStateDir(s.stateDir)
}
