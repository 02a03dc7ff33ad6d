package install

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/preflight"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// checks finds what would keep the cluster from coming up (S15).
type checks struct{ *environment }

// Done is not known.
func (c *checks) Done(context.Context) (bool, error) { return false, nil }

// Rollback does nothing: checks leave nothing.
func (c *checks) Rollback(context.Context) error { return nil }

// Execute reads all of the bundle and checks the machine: what is wrong with
// either must be found before anything is changed.
func (c *checks) Execute(ctx context.Context) error {
	if err := c.verify(ctx); err != nil {
		return err
	}
	options, err := c.options()
	if err != nil {
		return err
	}
	return Check(ctx, options, c.log)
}

// verify compares all of the bundle with its digests.
func (c *checks) verify(ctx context.Context) error {
	b, err := c.open()
	if err != nil || c.settings.ChecksOff {
		return err
	}
	found, err := b.Verify(ctx, bundle.Options{})
	if err != nil {
		return err
	}
	return cli.WithHint(found.Err(), "%s is damaged: copy it again", c.settings.Bundle)
}

// Check runs the preflight checks: the error has those that would break a node,
// the log those that make it slow or fragile.
func Check(ctx context.Context, options preflight.Options, log operation.Logger) error {
	list, err := preflight.Checks(options)
	if err != nil {
		return err
	}
	results, err := preflight.Run(ctx, list)
	if err != nil {
		return err
	}
	var failed []error
	for _, result := range results {
		switch {
		case result.Status == preflight.StatusFailed && result.Level == preflight.LevelError:
			failed = append(failed, cli.WithHint(fmt.Errorf("check %s: %s", result.Name, result.Measured), "%s: %s", result.Name, result.Remedy))
		case result.Status != preflight.StatusPassed && result.Status != preflight.StatusSkipped:
			log.Warn("check "+result.Name+": "+result.Measured, "remedy", result.Remedy)
		}
	}
	return errors.Join(failed...)
}

func (c *checks) options() (preflight.Options, error) {
	b, err := c.open()
	if err != nil {
		return preflight.Options{}, err
	}
	m, err := c.manifest()
	if err != nil {
		return preflight.Options{}, err
	}
	role := c.settings.Node.Role
	profile, _ := m.Profile(role)
	options := preflight.Options{
		Architecture: b.Index().Platform.Architecture, Profile: profile,
		HairpinMode: m.OptionsOf(role).Kubelet.HairpinMode, Network: m.Providers.Generic.Network.Type,
		AdvertiseAddress: c.settings.Node.Address, StateDir: c.paths.Root, TempDir: os.TempDir(),
		PodNetwork: c.settings.PodNetwork, ServiceNetwork: c.settings.ServiceNetwork, VXLANPort: c.settings.VXLANPort,
		Space: preflight.Space{Bundle: b.Size()}, Skip: c.settings.SkipChecks, Off: c.settings.ChecksOff,
	}
	options.Machine, err = preflight.Local()
	return options, err
}
