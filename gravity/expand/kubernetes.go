package expand

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/application"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// joinKubernetes makes the node a part of Kubernetes by kubeadm.
type joinKubernetes struct{ *environment }

func (k *joinKubernetes) Done(context.Context) (bool, error) {
	return kubeadm.Initialized(k.paths), nil
}

func (k *joinKubernetes) Execute(ctx context.Context) error {
	// After a loss of power it may just be starting.
	if err := k.container.Start(ctx); err != nil {
		return err
	}
	m, err := k.manifest()
	if err != nil {
		return err
	}
	if k.settings.Node.Master {
		if err := k.ask(ctx, bootstrap.StepReplace, nil); err != nil {
			return err
		}
	}
	if _, err := os.Stat(k.paths.KubernetesFile("pki", "ca.key")); err != nil && k.settings.Node.Master {
		if err := k.secrets(ctx); err != nil { // a rollback has removed them
			return err
		}
	}
	var credentials kubeadm.Credentials
	if err := k.ask(ctx, bootstrap.StepCredentials, &credentials); err != nil {
		return err
	}
	log, err := kubeadm.OpenLog(k.paths)
	if err != nil {
		return err
	}
	s := &k.settings
	config := install.Kubeadm(&s.Node, m, s.Cluster.PodNetwork, s.Cluster.ServiceNetwork)
	if config.Environment, err = node.ReadEnvironment(k.paths); err != nil {
		return err
	}
	var given bootstrap.Configuration
	if err := k.ask(ctx, bootstrap.StepConfiguration, &given); err != nil {
		return err
	}
	config.Kubelet = given.Kubelet
	forget := func(ctx context.Context) error { return k.ask(ctx, bootstrap.StepForget, nil) }
	return errors.Join(kubeadm.Join(ctx, k.paths, k.container, config, s.Node.Master, &credentials, forget, log), log.Close())
}

// Rollback removes the node from etcd, while it runs, and from Kubernetes, when its
// kubelet does not register it again.
func (k *joinKubernetes) Rollback(ctx context.Context) error {
	if err := k.withdraw(ctx, stepWithin); err != nil {
		return err
	}
	if err := install.RemoveKubernetes(ctx, k.paths, k.container); err != nil {
		return err
	}
	return k.ask(ctx, bootstrap.StepForget, nil)
}

// withdraw takes a member of etcd away that kubeadm has made. It runs meanwhile: of
// two members both are the majority.
func (k *joinKubernetes) withdraw(ctx context.Context, within time.Duration) error {
	if !kubeadm.Begun(k.paths) || !k.settings.Node.Master {
		return nil
	}
	if err := k.container.Start(ctx); err != nil {
		return err
	}
	return k.askWithin(ctx, within, bootstrap.StepWithdraw, nil)
}

// wait waits until the node is ready, has its labels, and is well.
type wait struct{ *environment }

const (
	// readyTimeout is how long a node may take to be ready, with the system's pods.
	readyTimeout = 10 * time.Minute
	// wellTimeout is how long its agent may find something wrong after that.
	wellTimeout = time.Minute
)

// Done is not known; the phase is quick.
func (w *wait) Done(context.Context) (bool, error) { return false, nil }

func (w *wait) Execute(ctx context.Context) error {
	if err := w.askWithin(ctx, readyTimeout, bootstrap.StepReady, nil); err != nil {
		return err
	}
	if err := kubeadm.Registered(w.paths); err != nil {
		return err
	}
	if err := w.well(ctx); err != nil {
		return err
	}
	if !w.settings.Node.Master {
		return nil
	}
	n := w.settings.Node
	masters := n.Order(append([]netip.Addr{n.Address}, w.settings.View.Masters...))
	if err := node.WriteMasters(w.paths, masters); err != nil {
		return err
	}
	return install.InstallAccess(w.paths, n.Address.String())
}

// well waits until the agent finds nothing wrong, so that the other nodes hear of a
// node that is well as soon as it has joined: they are told what the agent found
// last. What stays wrong is told by 'gravity status', and is no reason to undo a join.
func (w *wait) well(ctx context.Context) error {
	err := kube.Wait(ctx, wellTimeout, "the node to be well", func(ctx context.Context) error { return health.Well(ctx, w.paths) })
	if err != nil && ctx.Err() == nil {
		w.log.Warn("the node has joined, and is not well", "error", err)
		return nil
	}
	return err
}

func (w *wait) Rollback(context.Context) error { return install.RemoveAccess(w.paths) }

// elect ends the join: a master can do from now on what masters do.
type elect struct{ *environment }

// Done is not known; the phase is quick.
func (e *elect) Done(context.Context) (bool, error) { return false, nil }

func (e *elect) Execute(ctx context.Context) error {
	n := e.settings.Node
	if n.Master {
		files := application.Application{Paths: e.paths, Store: e.store, Log: e.log, Name: n.Application, Version: n.Version}
		if err := files.Unpack(ctx); err != nil {
			return err
		}
	}
	return e.ask(ctx, bootstrap.StepRelease, nil)
}

// Rollback leaves the application's files, which go with the node.
func (e *elect) Rollback(context.Context) error { return nil }

// onMaster is a phase that a master does.
type onMaster struct {
	*environment
	step bootstrap.Step
}

// Done is only known to the master, which does nothing twice.
func (o *onMaster) Done(context.Context) (bool, error) { return false, nil }

func (o *onMaster) Execute(ctx context.Context) error {
	within := stepWithin
	if o.step != bootstrap.StepBackup {
		within = time.Hour // a hook has its own deadline
	}
	return o.askWithin(ctx, within, o.step, nil)
}

// Rollback leaves what was done.
func (o *onMaster) Rollback(context.Context) error { return nil }
