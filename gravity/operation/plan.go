package operation

import (
	"encoding/json"
	"strings"
	"time"
)

// The types of operations.
const (
	TypeInstall       = "operation_install"
	TypeExpand        = "operation_expand"
	TypeShrink        = "operation_shrink"
	TypeUninstall     = "operation_uninstall"
	TypeUpdate        = "operation_update"
	TypeGC            = "operation_gc"
	TypeUpdateEnviron = "operation_update_environ"
	TypeUpdateConfig  = "operation_update_config"
	TypeReconfigure   = "operation_reconfigure"
)

// Plan is what an operation does. It is immutable once stored: nobody changes a
// plan, its phases or its servers; [Resolve] makes a copy. The JSON form is both
// what is stored and what `gravity plan -o json` prints (S48).
type Plan struct {
	// OperationID identifies the operation; see NewID.
	OperationID string `json:"operation_id"`
	// OperationType is one of the Type constants.
	OperationType string `json:"operation_type"`
	// ClusterName is the cluster's.
	ClusterName string `json:"cluster_name"`
	// Phases are executed in this order.
	Phases []Phase `json:"phases"`
	// Servers are the nodes of the cluster when the plan was made.
	Servers []Server `json:"servers"`
	// LeadMaster is the node that coordinates the operation, and the only one
	// where it can be resumed; nil if any node can.
	LeadMaster *Server `json:"lead_master,omitempty"`
	// GravityPackage names the gravity that made the plan, and the only one that
	// executes it, as PackageOf gives it; empty if any can.
	GravityPackage string `json:"gravity_package"`
	// CreatedAt is when the plan was made.
	CreatedAt time.Time `json:"created_at"`
}

// Phase is a step of a plan: a leaf is done by an executor, a composite phase
// is done when all its phases are.
type Phase struct {
	// ID is the absolute path of the phase, such as /masters/node-1/drain: that
	// of the phase around it, a slash and a name.
	ID string `json:"id"`
	// Executor names what does the phase; only leaves have one.
	Executor string `json:"executor,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// State is one of the State constants. It is empty in what is stored;
	// Resolve fills it in.
	State State `json:"state,omitempty"`
	// Step numbers the steps of a user interface; several phases may share one.
	Step int `json:"step"`
	// Phases are executed in this order, or at the same time; see LimitParallel.
	Phases []Phase `json:"phases,omitempty"`
	// Requires are IDs of phases that must be completed before this one, or any
	// phase in it, is executed. They come before this phase in the plan.
	Requires []string `json:"requires,omitempty"`
	// LimitParallel is how many of Phases are executed at the same time at most;
	// up to 1 means one after the other.
	LimitParallel int `json:"num_parallel,omitempty"`
	// Updated is when State was reached; Resolve fills it in.
	Updated time.Time `json:"updated,omitzero"`
	// Data says where the phase is done and with what.
	Data *Data `json:"data,omitempty"`
	// Error is why the phase failed; Resolve fills it in.
	Error *Failure `json:"error,omitempty"`
}

// Data is what belongs to a phase besides the tree.
type Data struct {
	// Server is the node that the phase is about, and where it is done.
	Server *Server `json:"server,omitempty"`
	// ExecServer is where the phase is done if that is another node.
	ExecServer *Server `json:"exec_server,omitempty"`
	// Config is the executor's own: JSON of a type that it knows. It holds no
	// secrets, since plans are displayed.
	Config json.RawMessage `json:"config,omitempty"`
}

// Server is a node as a plan knows it.
type Server struct {
	// AdvertiseIP identifies the node: the address that others reach it at.
	AdvertiseIP string `json:"advertise_ip"`
	// Hostname is the machine's, and Nodename what Kubernetes calls the node.
	Hostname string `json:"hostname"`
	Nodename string `json:"nodename,omitempty"`
	// Role is the node profile.
	Role string `json:"role,omitempty"`
	// ClusterRole is "master" or "node".
	ClusterRole string `json:"cluster_role,omitempty"`
}

// Failure is an error as it is stored.
type Failure struct {
	// Message is the error's text.
	Message string `json:"message"`
	// Hints are what cli.Hints finds.
	Hints []string `json:"hints,omitempty"`
}

// Leaf tells whether the phase is done by an executor.
func (p *Phase) Leaf() bool { return len(p.Phases) == 0 }

// Name is the last element of the phase's path.
func (p *Phase) Name() string { return p.ID[strings.LastIndexByte(p.ID, '/')+1:] }

// Server is the node where the phase is done; nil means any.
func (p *Phase) Server() *Server {
	switch {
	case p.Data == nil:
		return nil
	case p.Data.ExecServer != nil:
		return p.Data.ExecServer
	default:
		return p.Data.Server
	}
}

// Decode reads the executor's own data into a value.
func (p *Phase) Decode(into any) error {
	if p.Data == nil || p.Data.Config == nil {
		return nil
	}
	return json.Unmarshal(p.Data.Config, into)
}

const packagePrefix = "gravity.local/gravity:"

// PackageOf names the gravity of a version, for Plan.GravityPackage.
func PackageOf(version string) string { return packagePrefix + version }

// GravityVersion is the version of the gravity that executes the plan; empty if
// any can.
func (p *Plan) GravityVersion() string {
	return p.GravityPackage[strings.LastIndexByte(p.GravityPackage, ':')+1:]
}

// MarshalYAML shows the executor's data as what it is, not as bytes.
func (d *Data) MarshalYAML() (any, error) {
	shown := struct {
		Server     *Server `yaml:",omitempty"`
		ExecServer *Server `yaml:",omitempty"`
		Config     any     `yaml:",omitempty"`
	}{Server: d.Server, ExecServer: d.ExecServer}
	if d.Config == nil {
		return shown, nil
	}
	err := json.Unmarshal(d.Config, &shown.Config)
	return shown, err
}
