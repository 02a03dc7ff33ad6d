package manifest

// NodeProfile is a role of nodes.
type NodeProfile struct {
	// Name is the role's name, which --role takes. It becomes a label of the
	// nodes, so it has at most 63 letters, digits, dashes, dots and
	// underscores.
	Name string `json:"name" manifest:"required"`
	// Description explains the role.
	Description string `json:"description,omitempty"`
	// SystemOptions override the cluster's, for nodes of this profile. See
	// Manifest.OptionsOf.
	SystemOptions *SystemOptions `json:"systemOptions,omitempty"`
	// Requirements are what a node must have to be of this profile (S15).
	Requirements Requirements `json:"requirements,omitzero"`
	// Labels are the labels of the Kubernetes nodes. The parser adds role (the
	// name of the profile) and, where a service role is known,
	// gravitational.io/k8s-role.
	Labels map[string]string `json:"labels,omitempty"`
	// Taints keep pods off the nodes (S111).
	Taints []Taint `json:"taints,omitempty"`
	// Providers are settings by cloud.
	Providers ProfileProviders `json:"providers,omitzero"`
	// ExpandPolicy says which nodes may join later; empty means any.
	ExpandPolicy ExpandPolicy `json:"expandPolicy,omitempty"`
	// ServiceRole is whether the nodes are masters (S17). The parser sets it
	// from role labels; empty leaves it to the cluster, which has up to three
	// masters.
	ServiceRole ServiceRole `json:"serviceRole,omitempty"`
}

// Taint keeps pods that do not tolerate it off a node (S111). For
// node-role.kubernetes.io/master the nodes get today's
// node-role.kubernetes.io/control-plane as well (S112).
type Taint struct {
	// Key is the key of the taint.
	Key string `json:"key" manifest:"required"`
	// Value is the value of the taint.
	Value string `json:"value,omitempty"`
	// Effect is what happens to pods that do not tolerate the taint.
	Effect TaintEffect `json:"effect" manifest:"required"`
}

// TaintEffect is what a taint does to pods that do not tolerate it.
type TaintEffect string

// The effects of taints.
const (
	TaintNoSchedule       TaintEffect = "NoSchedule"
	TaintPreferNoSchedule TaintEffect = "PreferNoSchedule"
	TaintNoExecute        TaintEffect = "NoExecute"
)

// Values returns the effects that a taint may have.
func (TaintEffect) Values() []string {
	return []string{string(TaintNoSchedule), string(TaintPreferNoSchedule), string(TaintNoExecute)}
}

// ExpandPolicy says which nodes may join a profile after the installation.
type ExpandPolicy string

// The expand policies.
const (
	// ExpandFixed lets no node join.
	ExpandFixed ExpandPolicy = "fixed"
	// ExpandFixedInstance lets only nodes of the same instance type join.
	ExpandFixedInstance ExpandPolicy = "fixed-instance"
)

// Values returns the policies that a profile may have.
func (ExpandPolicy) Values() []string {
	return []string{string(ExpandFixed), string(ExpandFixedInstance)}
}

// ServiceRole is a node's role in Kubernetes.
type ServiceRole string

// The roles of nodes in Kubernetes.
const (
	RoleMaster ServiceRole = "master"
	RoleNode   ServiceRole = "node"
)

// Values returns the roles that a profile may have.
func (ServiceRole) Values() []string {
	return []string{string(RoleMaster), string(RoleNode)}
}

// Labels that decide a profile's service role if their value is "true", and
// those that the parser adds.
const (
	LabelNode         = "node-role.kubernetes.io/node"
	LabelMaster       = "node-role.kubernetes.io/master"
	LabelControlPlane = "node-role.kubernetes.io/control-plane"
	LabelServiceRole  = "gravitational.io/k8s-role"
	LabelRole         = "role"
)

// ProfileProviders are settings of a profile by cloud.
type ProfileProviders struct {
	// AWS are settings for Amazon Web Services.
	AWS ProfileAWS `json:"aws,omitzero"`
}

// ProfileAWS are settings of a profile for Amazon Web Services.
type ProfileAWS struct {
	// InstanceTypes are the types of instances that a node may be.
	InstanceTypes []string `json:"instanceTypes,omitempty"`
}

// Profile returns the node profile of a name.
func (m *Manifest) Profile(name string) (NodeProfile, bool) {
	for _, profile := range m.NodeProfiles {
		if profile.Name == name {
			return profile, true
		}
	}
	return NodeProfile{}, false
}
