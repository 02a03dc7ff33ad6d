package removal

import (
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// The names of executors in plans.
const (
	initExecutor       = "init"
	preHookExecutor    = "preHook"
	drainExecutor      = "drain"
	mastersExecutor    = "masters"
	etcdExecutor       = "etcd"
	uninstallExecutor  = "uninstall"
	kubernetesExecutor = "kubernetes"
	postHookExecutor   = "postHook"
	finishExecutor     = "finish"
)

// plan lists the phases (S22). The node is stopped before Kubernetes forgets it:
// a kubelet that still ran could register it again.
func (c *situation) plan(operationID, gravityVersion string, lead operation.Server, leaving member.Member, force bool, now time.Time) (*operation.Plan, error) {
	config, err := c.settings(lead, leaving, force)
	if err != nil {
		return nil, err
	}
	server, name := leaving.Server, leaving.Nodename
	leaf := func(id, executor, description string) operation.Phase {
		return operation.Phase{
			ID: id, Executor: executor, Description: description,
			Data: &operation.Data{Server: &server, ExecServer: &lead, Config: config},
		}
	}
	// What another master began may have wiped the node, which is silent then, and
	// may have removed it from Kubernetes.
	silent := c.silent[leaving.AdvertiseIP] != nil && (c.earlier == "" || force)
	gone := !slices.ContainsFunc(c.members, func(m member.Member) bool { return m.Nodename == leaving.Nodename })
	phases := []operation.Phase{leaf("/init", initExecutor, "Mark the cluster as shrinking")}
	last := "/init"
	add := func(phase operation.Phase) {
		phase.Requires = []string{last}
		phases, last = append(phases, phase), phase.ID
	}
	if c.hooks[manifest.HookPreNodeRemove] && !gone {
		add(leaf("/preHook", preHookExecutor, "Execute the application's preNodeRemove hook"))
	}
	if !gone {
		add(leaf("/drain", drainExecutor, "Drain node "+name))
	}
	if leaving.IsMaster() {
		add(leaf("/masters", mastersExecutor, "Send nothing to master node "+name+" any more"))
		add(leaf("/etcd", etcdExecutor, "Remove master node "+name+" from the etcd cluster"))
	}
	if !silent {
		add(leaf("/uninstall", uninstallExecutor, "Remove all software and data from node "+name))
	}
	add(leaf("/kubernetes", kubernetesExecutor, "Remove node "+name+" from Kubernetes"))
	if c.hooks[manifest.HookPostNodeRemove] {
		add(leaf("/postHook", postHookExecutor, "Execute the application's postNodeRemove hook"))
	}
	add(leaf("/finish", finishExecutor, "Mark the cluster as active"))
	plan := &operation.Plan{
		OperationID: operationID, OperationType: operation.TypeShrink, ClusterName: c.name, Phases: phases,
		LeadMaster: &lead, GravityPackage: operation.PackageOf(gravityVersion), CreatedAt: now.UTC(),
	}
	for _, m := range c.members {
		plan.Servers = append(plan.Servers, m.Server)
	}
	return plan, plan.Validate()
}
