package removal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/application"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/etcd"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Executors makes the executors of removals below a state folder.
func Executors(stateDir string) operation.Executors {
	return func(_ context.Context, plan *operation.Plan, phase operation.Phase, log operation.Logger) (operation.Executor, error) {
		p, err := paths.New(stateDir)
		if err != nil {
			return nil, err
		}
		e := &environment{paths: p, operationID: plan.OperationID, log: log}
		if err := phase.Decode(&e.settings); err != nil {
			return nil, fmt.Errorf("phase %s: %w", phase.ID, err)
		}
		if e.settings.Node.Nodename == "" || !e.settings.Address.IsValid() {
			return nil, fmt.Errorf("phase %s has no settings", phase.ID)
		}
		construct, known := executors[phase.Executor]
		if !known {
			return nil, fmt.Errorf("phase %s: this gravity knows no executor %q of removals", phase.ID, phase.Executor)
		}
		return construct(e), nil
	}
}

var executors = map[string]func(*environment) operation.Executor{
	initExecutor:       func(e *environment) operation.Executor { return &begin{e} },
	preHookExecutor:    func(e *environment) operation.Executor { return &hook{e, manifest.HookPreNodeRemove} },
	drainExecutor:      func(e *environment) operation.Executor { return &drain{e} },
	mastersExecutor:    func(e *environment) operation.Executor { return &masters{e} },
	etcdExecutor:       func(e *environment) operation.Executor { return &etcdMember{e} },
	uninstallExecutor:  func(e *environment) operation.Executor { return &uninstall{e} },
	kubernetesExecutor: func(e *environment) operation.Executor { return &kubernetes{e} },
	postHookExecutor:   func(e *environment) operation.Executor { return &hook{e, manifest.HookPostNodeRemove} },
	finishExecutor:     func(e *environment) operation.Executor { return &finish{e} },
}

// environment is what an executor knows.
type environment struct {
	paths       paths.Paths
	operationID string
	settings    settings
	log         operation.Logger
}

// Done is not known: every phase is quick to be repeated.
func (e *environment) Done(context.Context) (bool, error) { return false, nil }

// errForGood is about phases that cannot be undone.
var errForGood = cli.WithHint(errors.New("the node was removed for good"), "join it again with 'gravity join'")

func (e *environment) client() (*kube.Client, error) {
	return kube.Open(e.paths.KubernetesFile("admin.conf"))
}

// begin keeps other operations from changing the cluster.
type begin struct{ *environment }

func (b *begin) Execute(ctx context.Context) error {
	client, err := b.client()
	if err != nil {
		return err
	}
	return changeRecord(ctx, client, func(r *record) (string, string, error) {
		mine := r.state == cluster.StateShrinking && (r.operation == b.operationID || b.settings.Force)
		if !mine && !slices.Contains(states, r.state) {
			return "", "", fmt.Errorf("the cluster is %s, by operation %s", r.state, r.operation)
		}
		return cluster.StateShrinking, b.operationID, nil
	})
}

func (b *begin) Rollback(ctx context.Context) error { return b.release(ctx) }

// release lets others change the cluster again.
func (e *environment) release(ctx context.Context) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	return changeRecord(ctx, client, func(r *record) (string, string, error) {
		if r.operation != e.operationID {
			return r.state, r.operation, nil
		}
		return cluster.StateActive, "", nil
	})
}

// finish lets others change the cluster again.
type finish struct{ *environment }

func (f *finish) Execute(ctx context.Context) error { return f.release(ctx) }

func (f *finish) Rollback(context.Context) error { return errForGood }

// hook runs a hook of the application.
type hook struct {
	*environment
	name manifest.HookName
}

func (h *hook) Execute(ctx context.Context) error {
	err := h.run(ctx)
	if err != nil && h.settings.Force && ctx.Err() == nil {
		h.log.Warn("A hook has failed; the node is removed nevertheless.", "hook", string(h.name), "error", err)
		return nil
	}
	return err
}

func (h *hook) run(ctx context.Context) error {
	n, err := node.Read(h.paths)
	if err != nil {
		return err
	}
	client, err := h.client()
	if err != nil {
		return err
	}
	facts, err := cluster.Read(ctx, client)
	if err != nil {
		return err
	}
	leaving := h.settings.Node
	return applicationOf(h.paths, n, client, facts, h.log).Run(ctx, h.operationID, map[string]string{
		"GRAVITY_NODE_NAME": leaving.Nodename, "GRAVITY_NODE_ADDRESS": leaving.AdvertiseIP, "GRAVITY_NODE_ROLE": leaving.Role,
	}, h.name)
}

// applicationOf is the cluster's application on this master.
func applicationOf(p paths.Paths, n *node.Node, client *kube.Client, facts *cluster.Facts, log operation.Logger) *application.Application {
	return &application.Application{
		Paths: p, Store: store.New(p.Store()), Client: client, Log: log, Output: os.Stderr,
		Name: facts.Application, Version: facts.Version, Cluster: facts.Name, Node: n.Name,
		ServiceUser: facts.ServiceUser, ServiceGroup: facts.ServiceGroup,
	}
}

// Rollback does nothing: what a hook did only the application knows.
func (h *hook) Rollback(context.Context) error { return nil }

// drainTimeout is how long pods may take to go, with their disruption budgets.
const drainTimeout = 10 * time.Minute

// drain takes the pods off the node.
type drain struct{ *environment }

func (d *drain) Execute(ctx context.Context) error {
	client, err := d.client()
	if err != nil {
		return err
	}
	name := d.settings.Node.Nodename
	if d.settings.Silent {
		// Its kubelet does not tell that pods end; they go with the node.
		return client.Cordon(ctx, name, true)
	}
	return client.Drain(ctx, name, kube.DrainOptions{
		Timeout: drainTimeout, Force: d.settings.Force,
		Told: func(waiting string) { d.log.Info("The node is drained.", "node", name, "waiting", waiting) },
	})
}

func (d *drain) Rollback(ctx context.Context) error {
	client, err := d.client()
	if err != nil {
		return err
	}
	return client.Cordon(ctx, d.settings.Node.Nodename, false)
}

// masters makes the node no master any more, as far as other nodes know: their
// agents ask for the masters every few seconds, their balancers send nothing to
// one that is none, and their agents do not obey it.
type masters struct{ *environment }

func (m *masters) label(ctx context.Context, value any) error {
	client, err := m.client()
	if err != nil {
		return err
	}
	// What tells a second attempt that it is a master stays: the service role.
	err = client.Label(ctx, m.settings.Node.Nodename, map[string]any{manifest.LabelControlPlane: value, manifest.LabelMaster: value})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (m *masters) Execute(ctx context.Context) error { return m.label(ctx, nil) }

func (m *masters) Rollback(ctx context.Context) error { return m.label(ctx, "") }

// etcdMember removes the node from etcd.
type etcdMember struct{ *environment }

func (m *etcdMember) Execute(ctx context.Context) error {
	client := etcd.New(container.New(m.paths))
	members, err := client.Members(ctx, true)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(members, func(found etcd.Member) bool { return found.At(m.settings.Node.Nodename, m.settings.Address) })
	if i < 0 {
		return nil
	}
	// Masters may have been lost since the plan was made.
	if err := etcd.CheckRemoval(members, members[i]); err != nil {
		return err
	}
	return client.Remove(ctx, members[i].ID)
}

func (m *etcdMember) Rollback(context.Context) error { return errForGood }

// kubernetes removes the node and its pods from Kubernetes.
type kubernetes struct{ *environment }

func (k *kubernetes) Execute(ctx context.Context) error {
	client, err := k.client()
	if err != nil {
		return err
	}
	return client.Forget(ctx, k.settings.Node.Nodename)
}

func (k *kubernetes) Rollback(context.Context) error { return errForGood }
