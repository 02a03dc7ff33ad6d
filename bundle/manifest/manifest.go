package manifest

import (
	"go.yaml.in/yaml/v3"
)

// Manifest is the application manifest (S08): everything that app.yaml says,
// with defaults filled in.
type Manifest struct {
	// APIVersion is the version of this format.
	APIVersion APIVersion `json:"apiVersion" manifest:"required"`
	// Kind says what is built: a cluster with its Kubernetes, or an
	// application for a cluster that exists.
	Kind Kind `json:"kind" manifest:"required"`
	// Metadata names the application.
	Metadata Metadata `json:"metadata" manifest:"required"`
	// BaseImage is the runtime, gravity:VERSION where the version is that of
	// Kubernetes. Without a version the builder chooses one.
	BaseImage BaseImage `json:"baseImage,omitzero"`
	// Logo is shown by installers: a data URI of an image, or a file:// or
	// http(s):// reference to one.
	Logo Source `json:"logo,omitempty" manifest:"fetch=image"`
	// ReleaseNotes are shown before an upgrade: text, or a file:// or
	// http(s):// reference to it.
	ReleaseNotes Source `json:"releaseNotes,omitempty" manifest:"fetch=text"`
	// Endpoints are the application's addresses, shown when an installation
	// completes and by `gravity status`.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Dependencies are other packages and applications of the bundle.
	Dependencies Dependencies `json:"dependencies,omitzero"`
	// Installer is what an installation asks and offers.
	Installer Installer `json:"installer,omitzero"`
	// NodeProfiles are the roles of nodes with what each requires (S15). If
	// there are neither profiles nor flavors, there is one profile, node.
	NodeProfiles []NodeProfile `json:"nodeProfiles,omitempty"`
	// Providers are settings by cloud.
	Providers Providers `json:"providers,omitzero"`
	// License is for applications that need a license to be installed.
	License *License `json:"license,omitempty"`
	// Hooks are jobs that run at points of the application's life.
	Hooks Hooks `json:"hooks,omitempty"`
	// SystemOptions configure the runtime on all nodes.
	SystemOptions SystemOptions `json:"systemOptions,omitzero"`
	// Extensions switch parts of the cluster off.
	Extensions Extensions `json:"extensions,omitzero"`
	// WebConfig is the configuration of the web interface: JSON text, or a
	// file:// or http(s):// reference to it.
	WebConfig Source `json:"webConfig,omitempty" manifest:"fetch=json"`
	// Ingress configures ingress controllers.
	Ingress *Ingress `json:"ingress,omitempty"`
	// Storage configures providers of volumes.
	Storage *Storage `json:"storage,omitempty"`

	file    string
	tree    *yaml.Node        // the document's root mapping; never changed
	index   map[string]place  // where each field is, by its path
	sources []reference       // values that are references
	origins map[string]string // references that were replaced, by path
}

// APIVersion is the version of the manifest's format.
type APIVersion string

// The versions of the format. They are one format; the kinds differ.
const (
	APIVersionBundle  APIVersion = "bundle.gravitational.io/v2"
	APIVersionCluster APIVersion = "cluster.gravitational.io/v2"
	APIVersionApp     APIVersion = "app.gravitational.io/v2"
)

// Values returns the versions that a manifest may have.
func (APIVersion) Values() []string {
	return []string{string(APIVersionBundle), string(APIVersionCluster), string(APIVersionApp)}
}

// Kind says what is built from a manifest.
type Kind string

// The kinds of manifests.
const (
	// KindBundle is a cluster with its application (S01).
	KindBundle Kind = "Bundle"
	// KindCluster is another word for KindBundle.
	KindCluster Kind = "Cluster"
	// KindApplication is an application for a cluster that exists: it has no
	// Kubernetes.
	KindApplication Kind = "Application"
)

// Values returns the kinds that a manifest may have.
func (Kind) Values() []string {
	return []string{string(KindBundle), string(KindCluster), string(KindApplication)}
}

// Repository is the only value of metadata.repository.
const Repository = "gravitational.io"

// Metadata names an application.
type Metadata struct {
	// Name is the name of the application: letters, digits, dashes and
	// underscores.
	Name Name `json:"name" manifest:"required"`
	// ResourceVersion is the application's version, a semantic version
	// without a leading v.
	ResourceVersion Version `json:"resourceVersion" manifest:"required"`
	// Namespace is the Kubernetes namespace of the application.
	Namespace string `json:"namespace,omitempty" manifest:"default=default"`
	// Repository is gravitational.io.
	Repository string `json:"repository,omitempty" manifest:"default=gravitational.io"`
	// Description is one line about the application.
	Description string `json:"description,omitempty"`
	// Author is who publishes it.
	Author string `json:"author,omitempty"`
	// CreatedTimestamp is when the bundle was built (RFC 3339); the builder
	// sets it.
	CreatedTimestamp Timestamp `json:"createdTimestamp,omitempty"`
	// Hidden applications are not listed.
	Hidden bool `json:"hidden,omitempty"`
	// Labels are for whoever publishes the application.
	Labels map[string]string `json:"labels,omitempty"`
}

// Endpoint is an address of the application.
type Endpoint struct {
	// Name is what people see, and what installer.setupEndpoints name.
	Name string `json:"name" manifest:"required"`
	// Description says what is there.
	Description string `json:"description,omitempty"`
	// Selector selects the Kubernetes service by its labels.
	Selector map[string]string `json:"selector,omitempty"`
	// ServiceName names the Kubernetes service.
	ServiceName string `json:"serviceName,omitempty"`
	// Namespace is the service's namespace; empty means the application's.
	Namespace string `json:"namespace,omitempty"`
	// Protocol is the scheme of the address, such as https.
	Protocol string `json:"protocol,omitempty"`
	// Port is the service's port; zero means any.
	Port int `json:"port,omitempty" manifest:"min=1,max=65535"`
	// Hidden endpoints are not shown.
	Hidden bool `json:"hidden,omitempty"`
}

// Dependencies are other packages and applications that the bundle contains.
type Dependencies struct {
	// Packages are packages, as REPOSITORY/NAME:VERSION.
	Packages []Locator `json:"packages,omitempty"`
	// Apps are applications, as REPOSITORY/NAME:VERSION.
	Apps []Locator `json:"apps,omitempty"`
}

// License tells whether a license is needed.
type License struct {
	// Enabled demands a license of whoever installs.
	Enabled bool `json:"enabled,omitempty"`
	// Type is the form of the license.
	Type string `json:"type,omitempty" manifest:"default=certificate"`
}

// Ingress configures ingress controllers.
type Ingress struct {
	// Nginx is the nginx ingress controller.
	Nginx Enabled `json:"nginx,omitzero"`
}

// Storage configures providers of volumes.
type Storage struct {
	// OpenEBS is the OpenEBS provider.
	OpenEBS Enabled `json:"openebs,omitzero"`
}

// Enabled switches something on that is off by default.
type Enabled struct {
	// Enabled switches it on.
	Enabled bool `json:"enabled,omitempty"`
}

// Disabled switches something off that is on by default.
type Disabled struct {
	// Disabled switches it off.
	Disabled bool `json:"disabled,omitempty"`
}
