// Package report has the types of what commands print with -o json, for the
// programs that print them and those that read them. It imports nothing, so that
// whoever reads a report links nothing else. Sizes are bytes.
//
// Fields are added and never renamed; lists are never null.
package report

// Bundle is what `tele inspect` prints.
type Bundle struct {
	// Name and Version are the application's.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Kind is the manifest's: Bundle, Cluster or Application.
	Kind        string `json:"kind"`
	Description string `json:"description,omitempty"`
	Author      string `json:"author,omitempty"`
	// Created is when the application says that it was made (RFC 3339).
	Created string `json:"created,omitempty"`
	// Digest identifies the bundle: it is that of its index.json.
	Digest string `json:"digest"`
	// Signatures are those of the bundle, each right for its own key.
	Signatures []Signature `json:"signatures"`
	// Platform is the machines' operating system and architecture.
	Platform string `json:"platform"`
	// Size is the sum of all blobs and entries, each counted once.
	Size int64 `json:"size"`
	// Bases are the bundles that this one needs, with what it lacks; none if it is
	// complete.
	Bases []Base `json:"bases"`
	// Runtimes begin with the target, the Kubernetes that is installed; there is
	// none in an application for clusters that exist.
	Runtimes []Runtime `json:"runtimes"`
	// Images are those of the application, sorted by reference.
	Images []Image `json:"images"`
	// ImagesSize is the size of all images, where what they share counts once.
	ImagesSize int64 `json:"imagesSize"`
	// Folder is the application's folder as it lies in the bundle, compressed.
	Folder *Blob `json:"folder,omitempty"`
	// SBOM is the bill of materials.
	SBOM *Blob `json:"sbom,omitempty"`
	// Blobs counts the blobs.
	Blobs Blobs `json:"blobs"`
	// Entries are the files beside the blobs, sorted by name.
	Entries []Entry `json:"entries"`
	// Hooks are the names of the application's hooks, sorted.
	Hooks []string `json:"hooks"`
	// NodeProfiles are the roles that nodes can have.
	NodeProfiles []NodeProfile `json:"nodeProfiles"`
	// Flavors are the sizes of clusters to choose from.
	Flavors []Flavor `json:"flavors"`
}

// Base is a bundle that another one was built upon.
type Base struct {
	// Name and Version are the application's.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Digest identifies the bundle.
	Digest string `json:"digest"`
	// Blobs counts what is needed of it.
	Blobs Blobs `json:"blobs"`
}

// Runtime is a Kubernetes in a bundle.
type Runtime struct {
	// Version is that of Kubernetes.
	Version string `json:"version"`
	// Embedded tells a step of upgrades from the target.
	Embedded bool   `json:"embedded"`
	Digest   string `json:"digest"`
	// Packed tells that layers are stored as deltas to those of other runtimes.
	Packed bool `json:"packed"`
	// Size is all that the runtime consists of, and UniqueSize what nothing else
	// in the bundle has.
	Size       int64 `json:"size"`
	UniqueSize int64 `json:"uniqueSize"`
}

// Image is a container image in a bundle.
type Image struct {
	// Reference is the name by which the application asks for it.
	Reference string `json:"reference"`
	// Digest is that of the manifest or, for several platforms, the index.
	Digest string `json:"digest"`
	// Sparse tells that the index names platforms that the bundle does not have.
	Sparse bool `json:"sparse"`
	// Platforms are those that the bundle has.
	Platforms []Platform `json:"platforms"`
	// Size is all that the image consists of, and UniqueSize what nothing else in
	// the bundle has.
	Size       int64 `json:"size"`
	UniqueSize int64 `json:"uniqueSize"`
}

// Platform is an image for one platform.
type Platform struct {
	// Name is such as linux/amd64.
	Name   string `json:"platform"`
	Digest string `json:"digest"`
	// Size is that of manifest, configuration and layers.
	Size int64 `json:"size"`
}

// Blob is a blob of a bundle.
type Blob struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// Blobs counts blobs.
type Blobs struct {
	Count int   `json:"count"`
	Size  int64 `json:"size"`
}

// Entry is a file of a bundle that is no blob.
type Entry struct {
	Name string `json:"name"`
	// Mode has the permissions in octal, such as "0755".
	Mode   string `json:"mode"`
	Size   int64  `json:"size"`
	Digest string `json:"digest"`
}

// NodeProfile is a role of nodes.
type NodeProfile struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// MinCPUs is the least number of processors, and MinRAM the least memory as
	// the manifest writes it; empty for no bound.
	MinCPUs int    `json:"minCPUs,omitempty"`
	MinRAM  string `json:"minRAM,omitempty"`
}

// Flavor is a size of a cluster.
type Flavor struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Nodes are how many nodes of which profile an installation has.
	Nodes []FlavorNodes `json:"nodes"`
}

// FlavorNodes are the nodes of one profile in a flavor.
type FlavorNodes struct {
	Profile string `json:"profile"`
	Count   int    `json:"count"`
}
