package expand

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/preflight"
)

// checks finds what would keep the machine from becoming a node (S15).
type checks struct{ *environment }

// Done is not known.
func (c *checks) Done(context.Context) (bool, error) { return false, nil }

// Rollback gives the place among the joins up; checks leave nothing else.
func (c *checks) Rollback(ctx context.Context) error {
	return c.ask(ctx, bootstrap.StepRelease, nil)
}

func (c *checks) Execute(ctx context.Context) error {
	m, err := c.manifest()
	if err != nil {
		return err
	}
	s := &c.settings
	profile, _ := m.Profile(s.Node.Role)
	profile.ServiceRole = manifest.RoleNode
	if s.Node.Master {
		profile.ServiceRole = manifest.RoleMaster
	}
	if err := checkSubnet(m.Providers.Generic.Network.Type, s.Node.Address, s.View.Masters); err != nil {
		return err
	}
	machine, err := preflight.Local()
	if err != nil {
		return err
	}
	return install.Check(ctx, preflight.Options{
		Machine: machine, Architecture: runtime.GOARCH, Profile: profile,
		HairpinMode: m.OptionsOf(s.Node.Role).Kubelet.HairpinMode, Network: m.Providers.Generic.Network.Type,
		AdvertiseAddress: s.Node.Address, StateDir: c.paths.Root, TempDir: os.TempDir(),
		PodNetwork: s.Cluster.PodNetwork, ServiceNetwork: s.Cluster.ServiceNetwork, VXLANPort: s.Cluster.VXLANPort,
		Space: preflight.Space{Bundle: s.Size}, Skip: s.SkipChecks, Off: s.ChecksOff,
	}, c.log)
}

// configure writes the files that say what this node is and, on a master, what
// all masters have in common.
type configure struct{ *environment }

func (c *configure) Done(context.Context) (bool, error) {
	_, err := node.Read(c.paths)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (c *configure) Execute(ctx context.Context) error {
	if err := os.MkdirAll(c.paths.Root, 0o711); err != nil {
		return err
	}
	n := &c.settings.Node
	if n.Master {
		if err := c.secrets(ctx); err != nil {
			return err
		}
	}
	var environment node.Environment
	if err := c.ask(ctx, bootstrap.StepEnvironment, &environment); err != nil {
		return err
	}
	if err := environment.Write(c.paths); err != nil {
		return err
	}
	if err := node.WriteHosts(c.paths, c.settings.View.Hosts); err != nil {
		return err
	}
	if err := node.WriteMasters(c.paths, n.Order(c.settings.View.Masters)); err != nil {
		return err
	}
	// The last file: it tells that all of it is there.
	return n.Write(c.paths)
}

// secrets writes the keys that all masters have.
func (e *environment) secrets(ctx context.Context) error {
	var secrets bootstrap.Secrets
	if err := e.ask(ctx, bootstrap.StepSecrets, &secrets); err != nil {
		return err
	}
	if err := paths.WriteFile(certificate.FilesOf(e.paths).AuthorityKey, secrets.AuthorityKey, 0o600); err != nil {
		return err
	}
	if len(secrets.Token) > 0 {
		if err := paths.WriteFile(e.paths.Token(), secrets.Token, 0o600); err != nil {
			return err
		}
	}
	for _, name := range kubeadm.PKI {
		if err := paths.WriteFile(e.paths.KubernetesFile("pki", name), secrets.PKI[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Rollback leaves the certificate, by which masters are asked.
func (c *configure) Rollback(context.Context) error {
	return errors.Join(
		os.RemoveAll(c.paths.Node()), os.RemoveAll(c.paths.Environment()), os.RemoveAll(c.paths.Masters()), os.RemoveAll(c.paths.RegistryHosts()),
		os.RemoveAll(c.paths.Token()), os.RemoveAll(certificate.FilesOf(c.paths).AuthorityKey), os.RemoveAll(c.paths.Kubernetes()),
	)
}

// program puts the program in its place.
type program struct{ *environment }

// Done is not known; the phase is quick.
func (b *program) Done(context.Context) (bool, error) { return false, nil }

func (b *program) Execute(ctx context.Context) error {
	return install.Bootstrap(ctx, b.paths, b.settings.Node.Mounts)
}

func (b *program) Rollback(context.Context) error { return install.RemoveProgram(b.paths) }

// startContainer starts the balancer and the master container.
type startContainer struct{ *environment }

// Done is not known.
func (s *startContainer) Done(context.Context) (bool, error) { return false, nil }

func (s *startContainer) Execute(ctx context.Context) error {
	return install.StartContainer(ctx, s.paths, &s.settings.Node)
}

func (s *startContainer) Rollback(ctx context.Context) error {
	return install.RemoveContainer(ctx, s.paths)
}
