package runtime

// A runtime's artifact is an OCI image index whose manifests are the master
// container, the images of the control plane and the add-ons, the catalogue
// entry, and the bill of materials. These are the names in it.
const (
	// ArtifactType marks the index of a runtime.
	ArtifactType = "application/vnd.gravity.runtime.v1"
	// ReleaseMediaType is the catalogue entry: a Release with its images, as
	// JSON.
	ReleaseMediaType = "application/vnd.gravity.release.v1+json"
	// SBOMMediaType is the bill of materials: SPDX 2.3 as JSON.
	SBOMMediaType = "application/spdx+json"

	// AnnotationRole tells what a manifest of the index is for: one of the
	// Role constants.
	AnnotationRole = "dev.gravity.role"
	// AnnotationVersion is the runtime's version, on the index.
	AnnotationVersion = "dev.gravity.version"
	// AnnotationRecipe is the hash of everything that the artifact was built
	// from, on the index.
	AnnotationRecipe = "dev.gravity.recipe"
	// AnnotationComponents lists the programs of a layer with their versions,
	// as "etcd=3.7.3,…".
	AnnotationComponents = "dev.gravity.components"
	// AnnotationLayer is the name of a layer, on its descriptor.
	AnnotationLayer = "dev.gravity.layer"

	// RoleMaster is the root file system of the master container.
	RoleMaster = "master"
	// RoleImage is an image that containerd runs.
	RoleImage = "image"
	// RoleRelease is the catalogue entry.
	RoleRelease = "release"
	// RoleSBOM is the bill of materials.
	RoleSBOM = "sbom"
)

// Host is the registry host in the names of what this project makes itself;
// nothing answers there.
const Host = "gravity.local"

// Reference is the name of a runtime's artifact in a layout or, below another
// host, in a registry.
func Reference(version string) string { return Host + "/runtime:" + version }

// MasterReference is the image name of a runtime's master container.
func MasterReference(version string) string { return Host + "/master:" + version }

// FlannelReference is the image name of flannel, by its own version.
func FlannelReference(version string) string { return Host + "/flannel:v" + version }

// ReleaseDocument is the catalogue entry inside an artifact.
type ReleaseDocument struct {
	Release
	// Images are the names of all images that a cluster of this release runs,
	// sorted.
	Images []string `json:"images"`
}
