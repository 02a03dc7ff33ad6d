package report

import "time"

// Kubeconfig is a way into a cluster's Kubernetes API for one user, until its
// certificate expires. Who has it is that user.
type Kubeconfig struct {
	// Cluster is the cluster's name.
	Cluster string   `json:"cluster"`
	User    string   `json:"user"`
	Groups  []string `json:"groups"`
	// Expires is when the certificate stops to be good; it cannot be revoked before.
	Expires time.Time `json:"expires"`
	// Servers are the URLs of the masters' API servers: that of the master that
	// was asked comes first.
	Servers []string `json:"servers"`
	// CertificateAuthority, ClientCertificate and ClientKey are PEM.
	CertificateAuthority string `json:"certificate_authority"`
	ClientCertificate    string `json:"client_certificate"`
	ClientKey            string `json:"client_key"`
	// Kubeconfig is all of it as a file for kubectl, with a context for each
	// server.
	Kubeconfig string `json:"kubeconfig"`
}
