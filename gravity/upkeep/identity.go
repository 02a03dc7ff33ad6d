package upkeep

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// identityInterval is how often the machine is looked at.
const identityInterval = 3 * time.Second

// Identity watches whether this machine is the node that it was, and says in the
// journal what is wrong and what to do. A node that was removed from the cluster is
// stopped, with all its pods. A machine without its address is left as it is, since
// it may come back in a moment, but does not start its container; it is started
// when the address is back.
func (u *Upkeep) Identity(ctx context.Context) error {
	unfit := false
	return every(ctx, identityInterval, u.Log, "be a node", func(ctx context.Context) (err error) {
		unfit, err = u.identify(ctx, unfit)
		return err
	})
}

// identify looks at the machine once. It takes and returns whether the container
// could not have started.
func (u *Upkeep) identify(ctx context.Context, unfit bool) (bool, error) {
	machine, err := node.ThisMachine()
	if err != nil {
		return unfit, err
	}
	if err := u.Node.CheckIdentity(u.Paths, machine); err != nil {
		if dismissal, readErr := node.ReadDismissal(u.Paths); readErr == nil && dismissal != nil && active(ctx) {
			u.Log.Warn("the node is stopped, since it was removed from the cluster")
			if err := container.Systemctl(ctx, "stop", container.Unit); err != nil {
				return true, err
			}
		}
		return true, err
	}
	if unfit || skipped(ctx, u.Paths) {
		u.Log.Info("this machine is the node again")
		if err := container.Systemctl(ctx, "start", "--no-block", container.Unit); err != nil {
			return true, err
		}
	}
	return false, u.Node.CheckName(machine)
}

func active(ctx context.Context) bool {
	return exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", container.Unit).Run() == nil
}

// skipped tells whether systemd did not start the container, since this machine was
// not the node at that moment. It does not try again, and the agent may not have seen
// that moment: the address may have come between the two at boot. A container that
// was stopped by somebody is not skipped.
func skipped(ctx context.Context, p paths.Paths) bool {
	if container.New(p).Life() != "" {
		return false
	}
	result, err := exec.CommandContext(ctx, "systemctl", "show", "--property=Result", "--value", container.Unit).Output()
	return err == nil && strings.TrimSpace(string(result)) == "exec-condition"
}

// registerTimeout is how long a kubelet may take to register its node.
const registerTimeout = 2 * time.Minute

// Register lets the kubelet of this node register it again, after its Node was
// deleted by hand. The master container starts anew.
func Register(ctx context.Context, p paths.Paths, n *node.Node) error {
	client, err := kube.OpenKubelet(p.KubernetesFile("kubelet.conf"), p.Kubelet())
	if err != nil {
		return err
	}
	there := func(ctx context.Context) error {
		_, err := client.Resource(kube.Nodes, "").Get(ctx, n.Name, metav1.GetOptions{})
		return err
	}
	if there(ctx) == nil {
		return fmt.Errorf("node %s is registered", n.Name)
	}
	in := container.New(p)
	// Its pods are gone with its Node, and the new one gets another network of pods.
	if err := in.Stop(ctx); err != nil {
		return err
	}
	install.RemoveNetwork(p)
	if err := kubeadm.SetRegister(p, true); err != nil {
		return err
	}
	err = in.Start(ctx)
	if err == nil {
		err = kube.Wait(ctx, registerTimeout, "node "+n.Name, there)
	}
	if settleErr := kubeadm.SetRegister(p, false); err == nil {
		return settleErr
	}
	// One that is refused goes on trying, unless it starts anew.
	_, _ = in.Exec(context.WithoutCancel(ctx), container.Command{Args: []string{"systemctl", "restart", "kubelet"}})
	return err
}
