package report

import "time"

// The states of SystemStatus, as they always were.
const (
	SystemRunning  = 1
	SystemDegraded = 2
)

// Status is what `gravity status` prints (S30).
type Status struct {
	Cluster StatusCluster `json:"cluster"`
	// LocalChecks are the probes of this node that do not run, if the cluster
	// could not be asked (S38).
	LocalChecks []Probe `json:"local_checks"`
	// Error is why the cluster could not be asked.
	Error string `json:"error,omitempty"`
}

// StatusCluster is the state of a cluster. JSON keys are those that scripts know.
type StatusCluster struct {
	Application StatusApplication `json:"application"`
	// State is active, degraded, or what an operation does: installing,
	// expanding, shrinking, updating, …; failed after an installation that failed.
	State string `json:"state"`
	// Reason is why the state is degraded: status_check_failed if the
	// application's status hook failed, else cluster_degraded.
	Reason string `json:"reason,omitempty"`
	// Message is what failed, for people.
	Message string `json:"message,omitempty"`
	// Domain is the cluster's name.
	Domain  string    `json:"domain"`
	Created time.Time `json:"created,omitzero"`
	// Token joins nodes; it is a secret.
	Token StatusToken `json:"token"`
	// Operation is the active one, or else the last one.
	Operation        *StatusOperation  `json:"operation,omitempty"`
	ActiveOperations []StatusOperation `json:"active_operations"`
	Endpoints        StatusEndpoints   `json:"endpoints"`
	// ServerVersion is the agent's, empty if the agent does not answer;
	// ClientVersion is the version of the program that printed this.
	ServerVersion StatusVersion `json:"server_version"`
	ClientVersion StatusVersion `json:"client_version"`
	// SystemStatus is 1 if all nodes are healthy, else 2.
	SystemStatus int          `json:"system_status"`
	Nodes        []StatusNode `json:"nodes"`
	// Facts are what the cluster knows of itself; missing if it cannot be asked.
	Facts *StatusFacts `json:"facts,omitempty"`
}

// StatusFacts are what a cluster was made of, and with.
type StatusFacts struct {
	// Bundle is the digest of the bundle that is installed, and Runtime the version
	// of Kubernetes.
	Bundle  string `json:"bundle"`
	Runtime string `json:"runtime"`
	// PodNetwork and ServiceNetwork are CIDRs, VXLANPort is a UDP port.
	PodNetwork     string `json:"pod_network"`
	ServiceNetwork string `json:"service_network"`
	VXLANPort      int    `json:"vxlan_port"`
	// ServiceUser and ServiceGroup stand for -1 in the security contexts of hooks.
	ServiceUser  int64 `json:"service_uid"`
	ServiceGroup int64 `json:"service_gid"`
	// CloudProvider is generic, aws or gce.
	CloudProvider string `json:"cloud_provider"`
	// Installation is what the installation was asked for.
	Installation StatusInstallation `json:"installation,omitzero"`
}

// StatusInstallation is what an installation was asked for where nothing else tells
// it later.
type StatusInstallation struct {
	Flavor string `json:"flavor,omitempty"`
	// Mounts are folders of the first node, by the names of volumes.
	Mounts map[string]string `json:"mounts,omitempty"`
	// DNSZones are DOMAIN/ADDRESS[:PORT].
	DNSZones []string `json:"dns_zones,omitempty"`
	// SkipChecks are names of preflight checks.
	SkipChecks []string `json:"skip_checks,omitempty"`
}

// StatusApplication is the application of the cluster.
type StatusApplication struct {
	Repository string `json:"repository"`
	Name       string `json:"name"`
	Version    string `json:"version"`
}

// StatusToken is the token by which nodes join.
type StatusToken struct {
	// Token is empty on nodes that are no masters, and if there is a problem.
	Token string `json:"token"`
	// Problem is why there is none; absent while the cluster does not answer.
	Problem string `json:"problem,omitempty"`
	// Expires is when it stops to be good; absent for never.
	Expires    time.Time `json:"expires,omitzero"`
	Type       string    `json:"type"`
	SiteDomain string    `json:"site_domain"`
}

// StatusOperation is an operation and how far it is.
type StatusOperation struct {
	// Type is operation_install, …
	Type string `json:"type"`
	ID   string `json:"id"`
	// State is in_progress, completed or failed.
	State    string         `json:"state"`
	Created  time.Time      `json:"created"`
	Progress StatusProgress `json:"progress"`
}

// StatusProgress is how far an operation is.
type StatusProgress struct {
	Message string `json:"message"`
	// Completion is in percent.
	Completion int `json:"completion"`
	// Created is when that was reached.
	Created time.Time `json:"created,omitzero"`
}

// StatusEndpoints are where people reach what runs in the cluster.
type StatusEndpoints struct {
	Applications []StatusApplicationEndpoints `json:"applications"`
	Cluster      StatusClusterEndpoints       `json:"cluster"`
}

// StatusApplicationEndpoints are the endpoints of an application.
type StatusApplicationEndpoints struct {
	Application StatusApplication `json:"application"`
	Endpoints   []StatusEndpoint  `json:"endpoints"`
}

// StatusEndpoint is an endpoint that the manifest lists.
type StatusEndpoint struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Addresses   []string `json:"addresses"`
}

// StatusClusterEndpoints are those of the cluster itself.
type StatusClusterEndpoints struct {
	AuthGateway []string `json:"auth_gateway"`
	UI          []string `json:"ui"`
	// Kubernetes are the URLs of the API servers.
	Kubernetes []string `json:"kubernetes"`
}

// StatusVersion is the version of a gravity.
type StatusVersion struct {
	Edition   string `json:"edition"`
	Version   string `json:"version"`
	GitCommit string `json:"gitCommit,omitempty"`
}

// StatusNode is a node of the cluster.
type StatusNode struct {
	Hostname    string    `json:"hostname"`
	AdvertiseIP string    `json:"advertise_ip"`
	Created     time.Time `json:"created,omitzero"`
	// Role is master or node, Profile the node profile.
	Role    string `json:"role"`
	Profile string `json:"profile"`
	// Status is healthy, degraded or offline.
	Status string `json:"status"`
	// FailedProbes degrade the node, WarnProbes do not: a line for each.
	FailedProbes []string `json:"failed_probes"`
	WarnProbes   []string `json:"warn_probes"`
	// Checked is when the probes were made.
	Checked time.Time `json:"checked,omitzero"`
}
