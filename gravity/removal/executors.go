package removal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/application"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/etcd"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
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
		e := &environment{paths: p, plan: plan, operationID: plan.OperationID, log: log}
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
		executor := construct(e)
		if phase.Executor == initExecutor || phase.Executor == finishExecutor {
			return executor, nil // they change the record themselves
		}
		return &owned{executor, e}, nil
	}
}

var executors = map[string]func(*environment) operation.Executor{
	initExecutor:       func(e *environment) operation.Executor { return &begin{e} },
	preHookExecutor:    func(e *environment) operation.Executor { return &preHook{hook{e, manifest.HookPreNodeRemove}} },
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
	plan        *operation.Plan
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

// owned is a phase that is only executed while the cluster's record says that this
// operation removes the node: another master may have taken it over, and the node
// may have joined again since.
type owned struct {
	operation.Executor
	*environment
}

// Done is the phase's.
func (o *owned) Done(ctx context.Context) (bool, error) { return o.Executor.Done(ctx) }

// Execute executes the phase, and lets the record say why if it cannot be.
func (o *owned) Execute(ctx context.Context) error {
	if err := o.hold(ctx, ""); err != nil {
		return err
	}
	err := o.Executor.Execute(ctx)
	if err != nil && ctx.Err() == nil {
		if holdErr := o.hold(ctx, err.Error()); holdErr != nil {
			o.log.Warn("The cluster's record does not say why the node is not removed.", "error", holdErr)
		}
	}
	return err
}

// Rollback rolls the phase back.
func (o *owned) Rollback(ctx context.Context) error {
	if err := o.hold(ctx, ""); err != nil {
		return err
	}
	return o.Executor.Rollback(ctx)
}

// hold makes sure that the record is this operation's, and records a failure or
// that there is none.
func (e *environment) hold(ctx context.Context, failure string) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	return changeRecord(ctx, client, func(r *record) error {
		if r.operation != e.operationID {
			return e.lost(r)
		}
		if r.leaving != nil {
			r.leaving.Failure = failure
		}
		return nil
	})
}

// lost is why an operation may not go on whose record is another's.
func (e *environment) lost(r *record) error {
	name := e.settings.Node.Nodename
	err := fmt.Errorf("this operation does not remove node %s any more: it was ended from another master", name)
	if r.leaving.of(name) {
		err = fmt.Errorf("node %s is removed by operation %s of master %s now", name, r.operation, r.leaving.Lead.Nodename)
	}
	return cli.WithHint(err, "give this one up with 'gravity plan complete --operation-id=%s'", e.operationID)
}

// begin keeps other operations from changing the cluster.
type begin struct{ *environment }

// Execute claims the record once more: it may have been given up by a rollback.
func (b *begin) Execute(ctx context.Context) error {
	_, err := b.claim(ctx)
	return err
}

func (b *begin) Rollback(ctx context.Context) error { return b.release(ctx) }

// release lets others change the cluster again.
func (e *environment) release(ctx context.Context) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	return changeRecord(ctx, client, func(r *record) error {
		if r.operation == e.operationID {
			r.state, r.operation, r.leaving = cluster.StateActive, "", nil
		}
		return nil
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
		Paths: p, Store: store.New(p.Store()), Client: client, Log: log, Output: operation.Output(log),
		Name: facts.Application, Version: facts.Version, Cluster: facts.Name, Node: n.Name,
		ServiceUser: facts.ServiceUser, ServiceGroup: facts.ServiceGroup,
	}
}

// Rollback does nothing: what a hook did only the application knows.
func (h *hook) Rollback(context.Context) error { return nil }

// preHook lets the application move what it keeps on the node. Nothing new is
// scheduled there any more when its hook runs, so that nothing comes back.
type preHook struct{ hook }

func (h *preHook) Execute(ctx context.Context) error {
	client, err := h.client()
	if err != nil {
		return err
	}
	if err := client.Cordon(ctx, h.settings.Node.Nodename, true); err != nil {
		return err
	}
	if h.settings.Silent {
		if err := h.untilLost(ctx, client); err != nil {
			return err
		}
	}
	return h.hook.Execute(ctx)
}

// noticeTimeout is how long Kubernetes may take to notice that a node is lost.
const noticeTimeout = time.Minute

// untilLost waits until Kubernetes knows, too, that a node does not answer: before, a
// hook takes it for one that pods can be moved from, and waits for them in vain. One
// whose kubelet goes on reporting is not lost.
func (h *preHook) untilLost(ctx context.Context, client *kube.Client) error {
	name := h.settings.Node.Nodename
	err := kube.Wait(ctx, noticeTimeout, "Kubernetes to notice that node "+name+" is lost", func(ctx context.Context) error {
		silent, err := client.NodeSilent(ctx, name)
		if err == nil && !silent {
			err = errors.New("its kubelet reported a moment ago")
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		h.log.Warn("The hook runs though Kubernetes does not take the node for lost.", "node", name, "error", err)
		return nil
	}
	return err
}

func (h *preHook) Rollback(ctx context.Context) error {
	client, err := h.client()
	if err != nil {
		return err
	}
	return client.Cordon(ctx, h.settings.Node.Nodename, false)
}

// drainTimeout is how long pods may take to go, with their disruption budgets, and
// forcedDrainTimeout how long before --force deletes those that are left: time
// enough for others to take over what can be moved.
const (
	drainTimeout       = 10 * time.Minute
	forcedDrainTimeout = time.Minute
)

// drain takes the pods off the node.
type drain struct{ *environment }

func (d *drain) Execute(ctx context.Context) error {
	err := d.drain(ctx)
	if err != nil && d.settings.Force && ctx.Err() == nil {
		// Those that are left are deleted with the node, when nothing runs there.
		d.log.Warn("The node cannot be drained; it is removed nevertheless.", "node", d.settings.Node.Hostname, "error", err)
		return nil
	}
	return err
}

func (d *drain) drain(ctx context.Context) error {
	client, err := d.client()
	if err != nil {
		return err
	}
	name := d.settings.Node.Nodename
	if d.settings.Silent {
		// Its kubelet does not tell that pods end; they go with the node.
		return client.Cordon(ctx, name, true)
	}
	timeout := drainTimeout
	if d.settings.Force {
		timeout = forcedDrainTimeout
	}
	return client.Drain(ctx, name, kube.DrainOptions{
		Timeout: timeout, Force: d.settings.Force,
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

// Execute first drops the node's record, by which masters would put the labels
// back.
func (m *masters) Execute(ctx context.Context) error {
	client, err := m.client()
	if err != nil {
		return err
	}
	if err := member.Drop(ctx, client, m.settings.Node.Nodename); err != nil {
		return err
	}
	return m.label(ctx, nil)
}

func (m *masters) Rollback(ctx context.Context) error {
	client, err := m.client()
	if err != nil {
		return err
	}
	record := member.Record{Role: m.settings.Node.Role, Address: m.settings.Address, Master: true}
	if err := member.Put(ctx, client, m.settings.Node.Nodename, record); err != nil {
		return err
	}
	return m.label(ctx, "")
}

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
	// Before its Node goes: its kubelet must not register it again.
	if err := member.Remove(ctx, client, k.settings.Node.Nodename, time.Now()); err != nil {
		return err
	}
	if err := client.Forget(ctx, k.settings.Node.Nodename); err != nil {
		return err
	}
	return bootstrap.Discard(ctx, client, k.settings.Node.Nodename)
}

func (k *kubernetes) Rollback(context.Context) error { return errForGood }
