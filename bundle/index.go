package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// What index.json is made of, beside what package runtime names.
const (
	// ArtifactType marks the index of a bundle.
	ArtifactType = "application/vnd.gravity.bundle.v1"
	// ApplicationArtifactType marks the artifact with app.yaml and the files of
	// the application's folder.
	ApplicationArtifactType = "application/vnd.gravity.application.v1"
	// ManifestMediaType is app.yaml, the first layer of that artifact.
	ManifestMediaType = "application/vnd.gravity.manifest.v1+yaml"
	// ResourcesMediaType is the folder, its second layer if there is one.
	ResourcesMediaType = "application/vnd.gravity.resources.v1.tar+zstd"

	// RoleApplication and RoleRuntime are values of runtime.AnnotationRole,
	// beside runtime.RoleImage and runtime.RoleSBOM.
	RoleApplication = "application"
	RoleRuntime     = "runtime"

	// AnnotationFormat is the version of the format on the index: Format.
	AnnotationFormat = "dev.gravity.format"
	// AnnotationName is the application's name, on the index; its version is
	// runtime.AnnotationVersion.
	AnnotationName = "dev.gravity.name"
	// AnnotationPlatform is the machines' operating system and architecture,
	// such as "linux/amd64", on the index.
	AnnotationPlatform = "dev.gravity.platform"
	// AnnotationEntry begins the annotations of the index that describe the
	// other entries: "dev.gravity.entry/README" is "0644 1103 sha256:…".
	AnnotationEntry = "dev.gravity.entry/"
	// AnnotationSparse marks an image index of which only some manifests are in
	// the bundle: their digests, separated by commas.
	AnnotationSparse = "dev.gravity.sparse"
	// AnnotationEmbedded is "true" on runtimes that an upgrade steps through
	// on its way to the target.
	AnnotationEmbedded = "dev.gravity.embedded"

	// Format is the version of the format that this package writes and reads.
	Format = "1"

	annotationReference = "org.opencontainers.image.ref.name"
)

// Image is a container image of the application.
type Image struct {
	// Reference is the name by which the application asks for it, with tag or
	// digest: "docker.io/library/nginx:1.27".
	Reference string
	// Descriptor is that of its manifest or, for several platforms, its index.
	Descriptor v1.Descriptor
	// Present is set for an index of which the bundle has only some manifests,
	// and lists their digests. The index is kept as it is, so that its digest
	// stays valid.
	Present []v1.Hash
}

// Sparse tells whether manifests of the image's index are not in the bundle.
func (i Image) Sparse() bool { return i.Present != nil }

// Runtime is a Kubernetes runtime of the bundle.
type Runtime struct {
	// Version is that of Kubernetes, such as "1.37.2".
	Version string
	// Embedded tells a step of upgrades from the target, of which a bundle has
	// one.
	Embedded bool
	// Descriptor is that of the runtime's artifact index. What it lists can be
	// opened, whether it is in the bundle or restored.
	Descriptor v1.Descriptor
	// Packed is the artifact by which the bundle has the runtime, if that is not
	// its index: see Pack. Original is then the digest of the index before.
	Packed   *v1.Descriptor
	Original v1.Hash
}

// Stored is the descriptor of what the bundle has: its index, or the artifact of
// a packed runtime.
func (r Runtime) Stored() v1.Descriptor {
	if r.Packed != nil {
		return *r.Packed
	}
	return r.Descriptor
}

// Entry describes an entry of a bundle other than a blob.
type Entry struct {
	// Name is the path in the bundle.
	Name string
	// Mode has the permission bits, as Unix has them.
	Mode uint32
	// Size is the length in bytes.
	Size int64
	// Digest is that of the contents.
	Digest v1.Hash
}

// Index is what index.json says.
type Index struct {
	// Name and Version are the application's.
	Name, Version string
	// Platform is the machines' operating system and architecture.
	Platform v1.Platform
	// Application is the descriptor of the artifact with app.yaml and the
	// application's folder.
	Application v1.Descriptor
	// Images are sorted by reference.
	Images []Image
	// Runtimes begin with the target; the others follow as an upgrade takes
	// them. A bundle of an application only has none.
	Runtimes []Runtime
	// SBOM is the descriptor of the artifact with the bill of materials, or nil.
	SBOM *v1.Descriptor
	// Bases is the descriptor of the artifact that lists what the bundle lacks, or
	// nil if it is complete.
	Bases *v1.Descriptor
	// Entries are all others but index.json, blobs.txt and the signature, by
	// name.
	Entries map[string]Entry
}

// Reference is the name of the application in index.json and gravity.db:
// "gravity.local/app/NAME:VERSION".
func (x *Index) Reference() string { return ApplicationReference(x.Name, x.Version) }

// ApplicationReference is the name of an application's artifact.
func ApplicationReference(name, version string) string { return reference("app", name, version) }

// reference makes a name that registries take: build metadata of a version
// follows an underscore, as Helm has it.
func reference(folder, name, version string) string {
	return runtime.Host + "/" + folder + "/" + strings.ToLower(name) + ":" + strings.ReplaceAll(version, "+", "_")
}

// encode returns index.json. Equal indexes give equal bytes.
func (x *Index) encode() ([]byte, error) {
	annotations := map[string]string{
		AnnotationFormat: Format, AnnotationName: x.Name, runtime.AnnotationVersion: x.Version,
		AnnotationPlatform: x.Platform.String(),
	}
	for name, entry := range x.Entries {
		annotations[AnnotationEntry+name] = fmt.Sprintf("%04o %d %s", entry.Mode, entry.Size, entry.Digest)
	}
	manifests := []v1.Descriptor{describe(x.Application, RoleApplication, x.Reference(), nil)}
	for _, image := range x.Images {
		more := map[string]string{}
		if image.Sparse() {
			more[AnnotationSparse] = joinHashes(image.Present)
		}
		manifests = append(manifests, describe(image.Descriptor, runtime.RoleImage, image.Reference, more))
	}
	for _, listed := range x.Runtimes {
		more := map[string]string{runtime.AnnotationVersion: listed.Version}
		if listed.Embedded {
			more[AnnotationEmbedded] = "true"
		}
		if listed.Packed != nil {
			more[AnnotationIndex], more[AnnotationOriginal] = placeOf(listed.Descriptor), listed.Original.String()
		}
		manifests = append(manifests, describe(listed.Stored(), RoleRuntime, runtime.Reference(listed.Version), more))
	}
	if x.SBOM != nil {
		manifests = append(manifests, describe(*x.SBOM, runtime.RoleSBOM, reference("sbom", x.Name, x.Version), nil))
	}
	if x.Bases != nil {
		manifests = append(manifests, describe(*x.Bases, RoleBases, reference("bases", x.Name, x.Version), nil))
	}
	content, err := json.MarshalIndent(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, ArtifactType: ArtifactType,
		Manifests: manifests, Annotations: annotations,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", NameIndex, err)
	}
	if len(content) >= MaxIndexSize {
		return nil, fmt.Errorf("encode %s: %d bytes, at most %d", NameIndex, len(content)+1, MaxIndexSize)
	}
	return append(content, '\n'), nil
}

// describe returns a descriptor with nothing in it but what identifies its
// target and says what it is for.
func describe(target v1.Descriptor, role, name string, more map[string]string) v1.Descriptor {
	annotations := map[string]string{runtime.AnnotationRole: role, annotationReference: name}
	maps.Copy(annotations, more)
	return v1.Descriptor{
		MediaType: target.MediaType, Digest: target.Digest, Size: target.Size,
		ArtifactType: target.ArtifactType, Platform: target.Platform, Annotations: annotations,
	}
}

// ParseIndex reads index.json and checks it: that the format is known, each
// descriptor has a role and a name of its own, digests are SHA-256, sizes and
// modes can be. Errors name the descriptor or entry.
func ParseIndex(content []byte) (*Index, error) {
	if len(content) > MaxIndexSize {
		return nil, fmt.Errorf("%s: more than %d bytes", NameIndex, MaxIndexSize)
	}
	index, err := parseIndex(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", NameIndex, err)
	}
	return index, nil
}

func parseIndex(content []byte) (*Index, error) {
	var manifest v1.IndexManifest
	decoder := json.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&manifest); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its end")
	}
	if manifest.SchemaVersion != 2 || manifest.MediaType != types.OCIImageIndex || manifest.ArtifactType != ArtifactType {
		return nil, errors.New("an OCI image index, but not that of a bundle")
	}
	annotations := manifest.Annotations
	if format := annotations[AnnotationFormat]; format != Format {
		return nil, fmt.Errorf("the format of the bundle is %q, and this program reads %q", format, Format)
	}
	index := &Index{Name: annotations[AnnotationName], Version: annotations[runtime.AnnotationVersion]}
	if err := checkName(index.Name, index.Version); err != nil {
		return nil, err
	}
	platform, err := v1.ParsePlatform(annotations[AnnotationPlatform])
	if err != nil {
		return nil, fmt.Errorf("platform %q: %w", annotations[AnnotationPlatform], err)
	}
	index.Platform = *platform
	if index.Entries, err = parseEntries(annotations); err != nil {
		return nil, err
	}
	if err := index.addAll(manifest.Manifests); err != nil {
		return nil, err
	}
	return index, nil
}

func (x *Index) addAll(descriptors []v1.Descriptor) error {
	seen := make(map[string]bool)
	for _, descriptor := range descriptors {
		name := descriptor.Annotations[annotationReference]
		if err := checkReference(name); err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("%s is the name of several manifests", name)
		}
		seen[name] = true
		if err := checkDescriptor(descriptor); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := x.add(name, descriptor); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if x.Application.Digest.Hex == "" {
		return errors.New("no application is listed")
	}
	if len(x.Runtimes) > 0 && x.Runtimes[0].Embedded {
		return errors.New("no target runtime is listed, but embedded ones are")
	}
	return nil
}

// add files a descriptor under its role.
func (x *Index) add(name string, descriptor v1.Descriptor) error {
	switch role := descriptor.Annotations[runtime.AnnotationRole]; role {
	case RoleApplication:
		if x.Application.Digest.Hex != "" || name != x.Reference() {
			return fmt.Errorf("not the application, which is %s", x.Reference())
		}
		x.Application = descriptor
	case runtime.RoleImage:
		present, err := splitHashes(descriptor.Annotations[AnnotationSparse])
		if err != nil {
			return err
		}
		x.Images = append(x.Images, Image{Reference: name, Descriptor: descriptor, Present: present})
	case RoleRuntime:
		return x.addRuntime(name, descriptor)
	case runtime.RoleSBOM:
		if x.SBOM != nil {
			return errors.New("the bill of materials is listed twice")
		}
		x.SBOM = &descriptor
	case RoleBases:
		if x.Bases != nil {
			return errors.New("the bases are listed twice")
		}
		x.Bases = &descriptor
	default:
		return fmt.Errorf("role %q is unknown", role)
	}
	return nil
}

func (x *Index) addRuntime(name string, descriptor v1.Descriptor) error {
	listed := Runtime{
		Version:    descriptor.Annotations[runtime.AnnotationVersion],
		Embedded:   descriptor.Annotations[AnnotationEmbedded] == "true",
		Descriptor: descriptor,
	}
	if name != runtime.Reference(listed.Version) {
		return fmt.Errorf("is not runtime %q", listed.Version)
	}
	if !listed.Embedded && len(x.Runtimes) > 0 {
		return errors.New("the target runtime is listed twice, or behind an embedded one")
	}
	if place, ok := descriptor.Annotations[AnnotationIndex]; ok {
		if !descriptor.MediaType.IsImage() || descriptor.ArtifactType != PackedArtifactType {
			return errors.New("has the marks of a packed runtime, and is none")
		}
		listed.Packed = &descriptor
		var err error
		if listed.Descriptor, err = parsePlace(place); err != nil {
			return fmt.Errorf("its index: %w", err)
		}
		listed.Descriptor.MediaType, listed.Descriptor.ArtifactType = types.OCIImageIndex, runtime.ArtifactType
		if listed.Original, err = parseHash(descriptor.Annotations[AnnotationOriginal]); err != nil {
			return fmt.Errorf("its original: %w", err)
		}
	}
	x.Runtimes = append(x.Runtimes, listed)
	return nil
}

func parseEntries(annotations map[string]string) (map[string]Entry, error) {
	entries := make(map[string]Entry)
	for key, value := range annotations {
		name, ok := strings.CutPrefix(key, AnnotationEntry)
		if !ok {
			continue
		}
		mode, known := modes[name]
		if !known || !coveredByIndex(name) {
			return nil, fmt.Errorf("entry %q is unknown", name)
		}
		fields := strings.Split(value, " ")
		if len(fields) != 3 || fields[0] != fmt.Sprintf("%04o", mode) {
			return nil, fmt.Errorf("entry %s: %q is not its mode %04o, size and digest", name, value, mode)
		}
		size, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("entry %s: size %q", name, fields[1])
		}
		digest, err := parseHash(fields[2])
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", name, err)
		}
		entries[name] = Entry{Name: name, Mode: mode, Size: size, Digest: digest}
	}
	for _, name := range []string{NameReadme, NameManifest, NameDatabase, NameLayout} {
		if _, ok := entries[name]; !ok {
			return nil, fmt.Errorf("entry %s is not listed", name)
		}
	}
	return entries, nil
}

// coveredByIndex tells whether index.json has the digest of an entry.
func coveredByIndex(name string) bool {
	return name != NameIndex && name != NameBlobs && name != NameSignature
}
