// Package bundle is the file that ships an application together with the
// Kubernetes that it runs on: writing, reading and verifying it.
//
// A bundle is a tar that is not compressed as a whole:
//
//	README app.yaml install run_preflight_checks upgrade upload
//	gravity.db               an index by name, derived from index.json
//	packages/                an OCI image layout: oci-layout, index.json, blobs
//	packages/index.json.sig  signatures of index.json, if there are any
//	packages/blobs.txt       digests and sizes of the blobs, as they lie
//	gravity                  the program
//	packages/blobs/sha256/   first manifests and configurations, then layers
//
// Small entries come first, and the place of every blob follows from
// blobs.txt, so that a bundle of any size opens in milliseconds. gravity and
// the blobs begin at multiples of 4096 bytes, so that file systems can share
// them with other files. Equal contents give equal bytes: nothing depends on
// the time, the user, the umask or the folder (S02).
//
// index.json is the truth. It lists the application, its images by their
// original names and bit for bit, the runtimes and the bill of materials, and
// has digest, size and mode of every other entry as annotations. blobs.txt has
// the digest of index.json, and otherwise only what follows from it: whoever
// vouches for index.json vouches for all. packages/index.json.sig has signatures
// of index.json, if anybody signed it (package signature); an open bundle's are
// right, whoever's they are.
//
// A bundle that was extracted reads the same as its tar, as does one that
// another tar made of the folder again.
package bundle

import "github.com/gravity-platform/terraform-provider-gravity/bundle/archive"

// Names of the entries of a bundle. A bundle of an application for clusters
// that exist already has neither NameGravity nor scripts.
const (
	NameReadme    = "README"
	NameManifest  = "app.yaml"
	NameDatabase  = "gravity.db"
	NameGravity   = "gravity"
	NameLayout    = "packages/oci-layout"
	NameIndex     = "packages/index.json"
	NameBlobs     = "packages/blobs.txt"
	NameSignature = "packages/index.json.sig"

	blobFolder = "packages/blobs/sha256"
)

// folders are the directories of a bundle, in their order.
var folders = []string{"packages", "packages/blobs", blobFolder}

// Limits on what is read into memory or believed, in bytes where not said
// otherwise. Writing keeps them, too.
const (
	// MaxIndexSize is the largest index.json.
	MaxIndexSize = 16 << 20
	// MaxManifestSize is the largest app.yaml, image manifest or image index;
	// registries draw the line there, too.
	MaxManifestSize = 4 << 20
	// MaxBlobs is how many blobs a bundle may have.
	MaxBlobs = 100_000

	// maxTable is the largest blobs.txt: lines of digest and size.
	maxTable = MaxBlobs * 84
	// maxVisits is how many descriptors all manifests may have, where those that
	// several images share count for each.
	maxVisits = 20 * MaxBlobs
	// maxDepth is how deep indexes may lie in indexes.
	maxDepth = 8
)

// modes has the permissions of all entries but blobs, which have 0644, and
// folders, which have 0755. Other names are not of a bundle.
var modes = map[string]uint32{
	NameReadme:             0o644,
	NameManifest:           0o644,
	NameDatabase:           0o600,
	NameGravity:            0o755,
	"install":              0o755,
	"run_preflight_checks": 0o755,
	"upgrade":              0o755,
	"upload":               0o755,
	NameLayout:             0o644,
	NameIndex:              0o644,
	NameBlobs:              0o644,
	NameSignature:          0o644,
}

// layoutMarker is the text of oci-layout.
const layoutMarker = `{"imageLayoutVersion":"1.0.0"}`

// blobName is the entry of a blob by the hexadecimal digits of its digest.
func blobName(hex string) string { return blobFolder + "/" + hex }

// blobHeader describes the entry of a blob.
func blobHeader(hex string, size int64) archive.Header {
	return archive.Header{Name: blobName(hex), Mode: 0o644, Size: size, Aligned: true}
}
