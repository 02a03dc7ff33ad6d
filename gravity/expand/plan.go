package expand

import (
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// The names of executors in plans.
const (
	checksExecutor    = "checks"
	configureExecutor = "configure"
	bootstrapExecutor = "bootstrap"
	pullExecutor      = "pull"
	preHookExecutor   = "preHook"
	containerExecutor = "master"
	backupExecutor    = "etcdBackup"
	kubeadmExecutor   = "kubeadm"
	waitExecutor      = "wait"
	postHookExecutor  = "postHook"
	electExecutor     = "elect"
)

// NewPlan lists the phases that make this machine a node (section 3.2 of the
// original's behaviour). Agents run all the time, so nothing starts or stops one,
// and kubeadm does in one phase what etcd and the kubelet had phases for.
func NewPlan(operationID, gravityVersion string, settings *Settings, m *manifest.Manifest, now time.Time) (*operation.Plan, error) {
	config, err := settings.encode()
	if err != nil {
		return nil, err
	}
	n := settings.Node
	server := operation.Server{
		AdvertiseIP: n.Address.String(), Hostname: n.Name, Nodename: n.Name, Role: n.Role, ClusterRole: string(manifest.RoleNode),
	}
	joins := "Add the joining node to Kubernetes"
	if n.Master {
		server.ClusterRole = string(manifest.RoleMaster)
		joins = "Add the joining node to the etcd cluster and to Kubernetes"
	}
	data := &operation.Data{Server: &server, Config: config}
	leaf := func(id, executor, description string, requires ...string) operation.Phase {
		return operation.Phase{ID: id, Executor: executor, Description: description, Requires: requires, Data: data}
	}
	phases := []operation.Phase{
		leaf("/checks", checksExecutor, "Execute pre-flight checks"),
		leaf("/configure", configureExecutor, "Configure packages for the joining node", "/checks"),
		leaf("/bootstrap", bootstrapExecutor, "Bootstrap the joining node", "/checks"),
		leaf("/pull", pullExecutor, "Pull packages on the joining node", "/configure", "/bootstrap"),
	}
	if _, found := m.Hooks[manifest.HookPreNodeAdd]; found {
		phases = append(phases, leaf("/preHook", preHookExecutor, "Execute the application's preNodeAdd hook", "/pull"))
	}
	phases = append(phases, operation.Phase{
		ID: "/system", Description: "Install system software on the joining node", Requires: []string{"/pull"},
		Phases: []operation.Phase{leaf("/system/master", containerExecutor, "Start the master container of Kubernetes "+n.Runtime)},
	})
	before := []string{"/system"}
	if n.Master && len(settings.View.Masters) == 1 {
		phases = append(phases, leaf("/etcdBackup", backupExecutor, "Backup etcd data on the master node "+settings.View.Masters[0].String(), "/system"))
		before = append(before, "/etcdBackup")
	}
	phases = append(phases,
		leaf("/kubeadm", kubeadmExecutor, joins, before...),
		operation.Phase{
			ID: "/wait", Description: "Wait for the node to join the cluster", Requires: []string{"/kubeadm"},
			Phases: []operation.Phase{leaf("/wait/k8s", waitExecutor, "Wait for the node to join Kubernetes cluster")},
		})
	if _, found := m.Hooks[manifest.HookPostNodeAdd]; found {
		phases = append(phases, leaf("/postHook", postHookExecutor, "Execute the application's postNodeAdd hook", "/wait"))
	}
	phases = append(phases, leaf("/elect", electExecutor, "Enable leader election on the joined node", "/wait"))
	plan := &operation.Plan{
		OperationID: operationID, OperationType: operation.TypeExpand, ClusterName: n.Cluster, Phases: phases,
		Servers: []operation.Server{server}, LeadMaster: &server,
		GravityPackage: operation.PackageOf(gravityVersion), CreatedAt: now.UTC(),
	}
	return plan, plan.Validate()
}
