package report

// Difference is what `tele diff` prints.
type Difference struct {
	// Identical tells that there is no difference.
	Identical bool `json:"identical"`
	// Old and New are the bundles.
	Old Side `json:"old"`
	New Side `json:"new"`
	// Embedded are the runtimes that an upgrade steps through.
	Embedded Names `json:"embedded"`
	// Images are those of the application.
	Images ImageChanges `json:"images"`
	// Entries are the files beside the blobs, such as app.yaml.
	Entries Names `json:"entries"`
	// Files are those of the application's folder.
	Files Names `json:"files"`
	// NewBlobs are the blobs that the new bundle has and the old one has not.
	NewBlobs Blobs `json:"newBlobs"`
	// NewSize is NewBlobs and the entries that are new or changed: what would
	// have to be carried to a site that has the old bundle.
	NewSize int64 `json:"newSize"`
}

// Side is one of two bundles that are compared.
type Side struct {
	// Name and Version are the application's.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Runtime is the version of the Kubernetes that is installed; empty in an
	// application for clusters that exist.
	Runtime string `json:"runtime,omitempty"`
	// Platform is the machines' operating system and architecture.
	Platform string `json:"platform"`
	// Digest identifies the bundle.
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// Names tells what is in one bundle and not in the other, and what differs.
type Names struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"`
}

// ImageChanges are the differences of images.
type ImageChanges struct {
	// Added and Removed are references.
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	// Changed have other contents, or another tag or digest of a repository from
	// which each bundle has one image.
	Changed []ImageChange `json:"changed"`
	// Unchanged is how many are the same.
	Unchanged int `json:"unchanged"`
}

// ImageChange is an image that both bundles have, and not the same one.
type ImageChange struct {
	Old       string `json:"old"`
	New       string `json:"new"`
	OldDigest string `json:"oldDigest"`
	NewDigest string `json:"newDigest"`
}
