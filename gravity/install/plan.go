package install

import (
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// The names of executors in plans.
const (
	checksExecutor      = "checks"
	configureExecutor   = "configure"
	bootstrapExecutor   = "bootstrap"
	pullExecutor        = "pull"
	containerExecutor   = "master"
	kubeadmExecutor     = "kubeadm"
	waitExecutor        = "wait"
	rbacExecutor        = "rbac"
	corednsExecutor     = "coredns"
	resourcesExecutor   = "resources"
	overlayExecutor     = "overlay"
	exportExecutor      = "export"
	healthExecutor      = "health"
	applicationExecutor = "application"
	electionExecutor    = "election"
	documentsExecutor   = "gravity-resources"
)

// NewPlan lists the phases that make a cluster of one node.
func NewPlan(operationID, gravityVersion string, settings *Settings, m *manifest.Manifest, now time.Time) (*operation.Plan, error) {
	config, err := settings.encode()
	if err != nil {
		return nil, err
	}
	n := settings.Node
	server := operation.Server{
		AdvertiseIP: n.Address.String(), Hostname: n.Name, Nodename: n.Name, Role: n.Role, ClusterRole: "master",
	}
	data := &operation.Data{Server: &server, Config: config}
	leaf := func(id, executor, description string, requires ...string) operation.Phase {
		return operation.Phase{ID: id, Executor: executor, Description: description, Requires: requires, Data: data}
	}
	group := func(id, description string, requires []string, phases ...operation.Phase) operation.Phase {
		return operation.Phase{ID: id, Description: description, Requires: requires, Phases: phases}
	}
	name := n.Name
	application := string(m.Metadata.Name)
	phases := []operation.Phase{
		leaf("/checks", checksExecutor, "Execute preflight checks"),
		leaf("/configure", configureExecutor, "Configure packages for all nodes"),
		group("/bootstrap", "Bootstrap all nodes", nil,
			leaf("/bootstrap/"+name, bootstrapExecutor, "Bootstrap master node "+name)),
		group("/pull", "Pull configured packages", []string{"/configure", "/bootstrap"},
			leaf("/pull/"+name, pullExecutor, "Pull packages on master node "+name)),
		group("/masters", "Install system software on master nodes", []string{"/pull"},
			group("/masters/"+name, "Install system software on master node "+name, nil,
				leaf("/masters/"+name+"/master", containerExecutor, "Start the master container of Kubernetes "+n.Runtime+" on master node "+name, "/pull/"+name),
				leaf("/masters/"+name+"/kubeadm", kubeadmExecutor, "Make the control plane on master node "+name, "/masters/"+name+"/master"))),
		leaf("/wait", waitExecutor, "Wait for Kubernetes to become available", "/masters"),
		leaf("/rbac", rbacExecutor, "Bootstrap Kubernetes roles and PSPs", "/wait"),
		leaf("/coredns", corednsExecutor, "Configure CoreDNS", "/wait"),
		leaf("/overlay", overlayExecutor, "Install overlay network", "/wait"),
	}
	if settings.Resources != "" {
		phases = append(phases, leaf("/resources", resourcesExecutor, "Create user-supplied Kubernetes resources", "/rbac"))
	}
	phases = append(phases,
		group("/export", "Export applications layers to Docker registries", []string{"/wait"},
			leaf("/export/"+name, exportExecutor, "Populate Docker registry on master node "+name)),
		leaf("/health", healthExecutor, "Wait for cluster to pass health checks", "/overlay", "/export"),
		group("/app", "Install user application", []string{"/health", "/rbac"},
			leaf("/app/"+application, applicationExecutor, "Install application "+application+":"+string(m.Metadata.ResourceVersion))),
		leaf("/election", electionExecutor, "Enable cluster leader elections", "/app"),
	)
	if settings.GravityResources != "" {
		phases = append(phases, leaf("/gravity-resources", documentsExecutor, "Create user-supplied Gravity resources", "/election"))
	}
	plan := &operation.Plan{
		OperationID: operationID, OperationType: operation.TypeInstall, ClusterName: n.Cluster, Phases: phases,
		Servers: []operation.Server{server}, LeadMaster: &server,
		GravityPackage: operation.PackageOf(gravityVersion), CreatedAt: now.UTC(),
	}
	return plan, plan.Validate()
}
