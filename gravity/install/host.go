package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kernel"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// configure makes certificates, and the files that say what this node is.
type configure struct{ *environment }

func (c *configure) Done(context.Context) (bool, error) {
	_, err := node.Read(c.paths)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (c *configure) Execute(context.Context) error {
	if err := os.MkdirAll(c.paths.Root, 0o711); err != nil {
		return err
	}
	if err := EnsureCertificates(c.paths, &c.settings.Node, time.Now()); err != nil {
		return err
	}
	if err := node.WriteMasters(c.paths, []netip.Addr{c.settings.Node.Address}); err != nil {
		return err
	}
	if err := c.writeEnvironment(); err != nil {
		return err
	}
	n := c.settings.Node
	n.PodNetwork = c.settings.PodNetwork
	// The last file: it tells that all of it is there.
	return n.Write(c.paths)
}

// writeEnvironment writes what services have in their environment. The cluster's
// own networks need no proxy.
func (c *configure) writeEnvironment() error {
	file, err := c.documents()
	if err != nil {
		return err
	}
	own := Unproxied([]netip.Addr{c.settings.Node.Address}, c.settings.PodNetwork, c.settings.ServiceNetwork)
	environment, kept := node.Environment(file.Environment).Exempt(own)
	if kept {
		c.log.Warn("NO_PROXY stays as it was given; the cluster needs all of these in it", "hosts", strings.Join(own, ","))
	}
	return environment.Write(c.paths)
}

// Unproxied are the hosts, networks and domains of the cluster itself, with the
// addresses of some nodes.
func Unproxied(nodes []netip.Addr, pods, services netip.Prefix) []string {
	hosts := []string{"localhost", "127.0.0.0/8", "::1"}
	for _, address := range nodes {
		hosts = append(hosts, address.String())
	}
	return append(hosts,
		pods.String(), services.String(),
		".svc", ".cluster.local", "leader.telekube.local", "leader.gravity.local", "registry.local",
	)
}

func (c *configure) Rollback(context.Context) error {
	return errors.Join(os.RemoveAll(c.paths.Node()), os.RemoveAll(c.paths.Environment()), os.RemoveAll(c.paths.Certificates()), os.RemoveAll(c.paths.Masters()))
}

// EnsureCertificates makes gravity's authority if there is none, and the
// certificate by which a node serves its registry and reads those of others.
func EnsureCertificates(p paths.Paths, n *node.Node, now time.Time) error {
	if err := os.MkdirAll(p.Certificates(), 0o700); err != nil {
		return err
	}
	files := certificate.FilesOf(p)
	authority, err := certificate.EnsureAuthority(files.Authority, files.AuthorityKey, now)
	if err != nil {
		return err
	}
	removals, err := node.ReadRemovals(p)
	if err != nil {
		return err
	}
	request := certificate.ForNode(n)
	request.Issued = removals.Renewed(n.Name, now)
	_, err = authority.Ensure(request, files.Certificate, files.Key, now)
	return err
}

// bootstrap makes the profile's volumes, and puts the program in its place.
type bootstrap struct{ *environment }

func (b *bootstrap) Done(context.Context) (bool, error) { return false, nil }

func (b *bootstrap) Execute(ctx context.Context) error {
	return Bootstrap(ctx, b.paths, b.settings.Node.Mounts)
}

// Bootstrap puts this program in its place on the machine, and loads the modules
// of the kernel that a node needs. Folders that it mounts get their owners.
func Bootstrap(ctx context.Context, p paths.Paths, mounts []node.Mount) error {
	for _, module := range []string{"overlay", "br_netfilter", "nf_tables", "vxlan"} {
		loadModule(ctx, module)
	}
	for _, mount := range mounts {
		if err := mount.Own(); err != nil {
			return fmt.Errorf("volume %s: %w", mount.Source, err)
		}
	}
	if err := installProgram(p.Program()); err != nil {
		return fmt.Errorf("install gravity: %w", err)
	}
	if err := paths.Link(p.Program(), filepath.Join(paths.Commands, "gravity")); err != nil {
		return err
	}
	return installCompletion(ctx, paths.Completions, p.Program())
}

// completionMark begins a completion that Gravity has installed; one without it
// is somebody else's.
const completionMark = "# Installed by Gravity, and removed with it.\n"

// installCompletion lets bash complete gravity's commands, where it looks in a
// folder for completions. What somebody else has there stays.
func installCompletion(ctx context.Context, folder, program string) error {
	path := filepath.Join(folder, "gravity")
	if _, err := os.Stat(folder); err != nil || exists(path) && !ownCompletion(path) {
		return nil //nolint:nilerr // there is no such shell
	}
	text, err := exec.CommandContext(ctx, program, "completion", "bash").Output()
	if err != nil {
		return fmt.Errorf("complete commands: %w", err)
	}
	return paths.WriteFile(path, append([]byte(completionMark), text...), 0o644)
}

func ownCompletion(path string) bool {
	content, err := os.ReadFile(path)
	return err == nil && strings.HasPrefix(string(content), completionMark)
}

func (b *bootstrap) Rollback(context.Context) error { return RemoveProgram(b.paths) }

// RemoveProgram undoes Bootstrap.
func RemoveProgram(p paths.Paths) error {
	return errors.Join(removeLink(p, "gravity"), removeCompletion(paths.Completions), os.RemoveAll(filepath.Dir(p.Program())))
}

func removeCompletion(folder string) error {
	path := filepath.Join(folder, "gravity")
	if !ownCompletion(path) {
		return nil
	}
	return os.Remove(path)
}

// removeLink removes a command if it leads into the state folder.
func removeLink(p paths.Paths, name string) error {
	path := filepath.Join(paths.Commands, name)
	target, err := os.Readlink(path)
	if err != nil || !within(p.Root, target) {
		return nil //nolint:nilerr // it is not ours
	}
	return os.Remove(path)
}

func within(root, path string) bool {
	relative, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(relative)
}

// startContainer starts the balancer and the master container.
type startContainer struct{ *environment }

func (s *startContainer) Done(context.Context) (bool, error) { return false, nil }

func (s *startContainer) Execute(ctx context.Context) error {
	return StartContainer(ctx, s.paths, &s.settings.Node)
}

// StartContainer starts the agent, which is the balancer, and the master
// container of a node.
func StartContainer(ctx context.Context, p paths.Paths, n *node.Node) error {
	master := container.New(p)
	if err := master.Prepare(n); err != nil {
		return err
	}
	if err := kernel.Local().Record(p.KernelSettings()); err != nil {
		return fmt.Errorf("record the kernel's settings: %w", err)
	}
	if err := container.EnsureUnit(ctx, AgentUnit, agentText(p)); err != nil {
		return err
	}
	return master.Start(ctx)
}

func (s *startContainer) Rollback(ctx context.Context) error { return RemoveContainer(ctx, s.paths) }
