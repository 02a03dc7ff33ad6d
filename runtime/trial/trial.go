// Package trial brings Kubernetes up on lab machines from nothing but a
// runtime's artifact: the master container under runc, kubeadm inside it, all
// images from the registry of the artifact. It is the test of the artifact and
// the first half of the demonstration; the programs for real sites do not use
// it.
package trial

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// The places on a machine. Everything is below Root but the container's
// process itself.
const (
	Root       = "/var/lib/gravity"
	bundle     = Root + "/master"
	rootfs     = bundle + "/rootfs"
	runc       = rootfs + "/usr/local/bin/runc"
	containerd = "unix:///run/containerd/containerd.sock"
	unit       = "gravity-master"
)

// bound are folders of the master container that outlive it: they lie below
// Root on the machine.
var bound = map[string]string{
	"/etc/kubernetes":  Root + "/kubernetes",
	"/var/lib/kubelet": Root + "/kubelet",
	"/var/lib/etcd":    Root + "/etcd",
	"/var/log":         Root + "/log",
}

// Node is a machine that runs a master container.
type Node struct {
	machine *lab.Machine
	name    string
	address netip.Addr
	log     io.Writer
}

// Start unpacks a runtime's master container on a machine, starts it, and fills
// its registry with the runtime's images. The machine needs systemd and nothing
// else.
func Start(ctx context.Context, machine *lab.Machine, artifact *Artifact, log io.Writer) (*Node, error) {
	status, err := machine.Status(ctx)
	if err != nil {
		return nil, err
	}
	n := &Node{machine: machine, name: machine.Name(), address: status.Address, log: log}
	n.printf("unpack the master container of %s", artifact.Version)
	if err := n.unpack(ctx, artifact); err != nil {
		return nil, fmt.Errorf("unpack the master container on %s: %w", n.name, err)
	}
	n.printf("start the master container")
	if err := n.startContainer(ctx); err != nil {
		return nil, fmt.Errorf("start the master container on %s: %w", n.name, err)
	}
	n.printf("copy %d images into the registry", len(artifact.Images))
	if err := n.CopyImages(ctx, artifact, artifact.Images...); err != nil {
		return nil, err
	}
	return n, nil
}

// CopyImages copies images of an artifact into the node's registry.
func (n *Node) CopyImages(ctx context.Context, artifact *Artifact, names ...string) error {
	if err := artifact.copyImages(ctx, netip.AddrPortFrom(n.address, registryPort), names); err != nil {
		return fmt.Errorf("fill the registry of %s: %w", n.name, err)
	}
	return nil
}

// Exec runs a command inside the master container and returns its standard
// output.
func (n *Node) Exec(ctx context.Context, args ...string) (string, error) {
	return n.execWithInput(ctx, nil, args...)
}

func (n *Node) execWithInput(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	command := lab.Command{
		Args:  append([]string{runc, "exec", "--env", "KUBECONFIG=/etc/kubernetes/admin.conf", "--cwd", "/", unit}, args...),
		Stdin: stdin,
	}
	result, err := n.machine.Run(ctx, command)
	return result.Stdout, err
}

// Kubectl runs kubectl with the administrator's rights.
func (n *Node) Kubectl(ctx context.Context, args ...string) (string, error) {
	return n.Exec(ctx, append([]string{"kubectl"}, args...)...)
}

// Apply gives manifests to the API server.
func (n *Node) Apply(ctx context.Context, manifests string) error {
	_, err := n.execWithInput(ctx, strings.NewReader(manifests), "kubectl", "apply", "-f", "-")
	return err
}

// Name is the machine's and so the Kubernetes node's name.
func (n *Node) Name() string { return n.name }

func (n *Node) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(n.log, "%s: "+format+"\n", append([]any{n.name}, args...)...)
}
