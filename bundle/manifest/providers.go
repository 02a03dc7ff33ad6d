package manifest

// Providers are settings by cloud.
type Providers struct {
	// Default is the provider where none is asked for.
	Default string `json:"default,omitempty"`
	// AWS are settings for Amazon Web Services; nil if there are none.
	AWS *AWS `json:"aws,omitempty"`
	// Azure are settings for Azure; nil if there are none.
	Azure *Disabled `json:"azure,omitempty"`
	// Generic are settings for machines without a cloud.
	Generic Generic `json:"generic,omitzero"`
}

// AWS are settings for Amazon Web Services. They are kept for the machines'
// provisioner; Kubernetes has no cloud provider of its own any more.
type AWS struct {
	// Network is the network between pods.
	Network AWSNetwork `json:"network,omitzero"`
	// Terraform are scripts that provision machines.
	Terraform Terraform `json:"terraform,omitzero"`
	// Regions are the regions to choose from.
	Regions []string `json:"regions,omitempty"`
	// IAMPolicy is what the provisioner may do.
	IAMPolicy IAMPolicy `json:"iamPolicy,omitzero"`
	// Disabled removes the provider from the choice.
	Disabled bool `json:"disabled,omitempty"`
}

// AWSNetwork is the network between pods on Amazon Web Services.
type AWSNetwork struct {
	// Type is the kind of network.
	Type string `json:"type,omitempty" manifest:"default=aws-vpc"`
}

// Terraform are scripts that provision machines.
type Terraform struct {
	// Script makes the cluster's machines.
	Script string `json:"script,omitempty"`
	// InstanceScript makes one machine.
	InstanceScript string `json:"instanceScript,omitempty"`
}

// IAMPolicy is a policy of Amazon Web Services.
type IAMPolicy struct {
	// Version is the version of the policy's language.
	Version string `json:"version,omitempty" manifest:"default=2012-10-17"`
	// Actions are the actions that are allowed.
	Actions []string `json:"actions,omitempty"`
}

// Generic are settings for machines without a cloud.
type Generic struct {
	// Network is the network between pods.
	Network GenericNetwork `json:"network,omitzero"`
	// Disabled removes the provider from the choice.
	Disabled bool `json:"disabled,omitempty"`
}

// Networks between pods that the runtime has.
const (
	// NetworkVXLAN is flannel with VXLAN.
	NetworkVXLAN = "vxlan"
	// NetworkHostGW is flannel with routes: nodes send to each other's pods as they
	// are, which is fastest and needs all nodes in one subnet.
	NetworkHostGW = "host-gw"
	// NetworkWireGuard is flannel with WireGuard, which encrypts (S115).
	NetworkWireGuard = "wireguard"
)

// GenericNetwork is the network between pods.
type GenericNetwork struct {
	// Type is vxlan, or host-gw where all hosts are in one subnet, or, to encrypt
	// what pods send between hosts, wireguard (S115).
	Type string `json:"type,omitempty" manifest:"default=vxlan"`
}

// Extensions switch parts of the cluster off.
type Extensions struct {
	// Encryption is how the original encrypted bundles.
	Encryption *Encryption `json:"encryption,omitempty"`
	// Logs is the collection of logs (S119).
	Logs Disabled `json:"logs,omitzero"`
	// Monitoring is the monitoring of the cluster (S118).
	Monitoring Disabled `json:"monitoring,omitzero"`
	// Catalog is the original's catalogue of Helm charts.
	Catalog Disabled `json:"catalog,omitzero"`
	// Kubernetes is the Kubernetes page of the web interface.
	Kubernetes Disabled `json:"kubernetes,omitzero"`
	// Configuration is the configuration page of the web interface.
	Configuration Disabled `json:"configuration,omitzero"`
	// OpsCenter is the service that manages clusters from afar.
	OpsCenter Disabled `json:"opsCenter,omitzero"`
}

// Encryption is how the original encrypted bundles.
type Encryption struct {
	// EncryptionKey is the passphrase.
	EncryptionKey Secret `json:"encryptionKey" manifest:"required"`
	// CACert is the certificate of the authority that signs licenses, PEM.
	CACert string `json:"caCert" manifest:"required"`
}
