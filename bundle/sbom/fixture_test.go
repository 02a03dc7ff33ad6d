package sbom_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/sbom"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// file is an entry of a layer: a file, a folder if its name ends with a slash,
// or a link if it has a target.
type file struct{ name, content, link string }

// tarOf packs files.
func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Size: int64(len(f.content)), Mode: 0o644, Typeflag: tar.TypeReg}
		switch {
		case f.link != "":
			header.Typeflag, header.Linkname = tar.TypeSymlink, f.link
		case f.name[len(f.name)-1] == '/':
			header.Typeflag = tar.TypeDir
		}
		if err := writer.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(writer, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func gzipOf(t testing.TB, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func zstdOf(t testing.TB, content []byte) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	return encoder.EncodeAll(content, nil)
}

// blobs are what a fixture is made of.
type blobs struct {
	testing.TB
	bundle.Memory
}

func (b blobs) put(mediaType types.MediaType, content []byte) v1.Descriptor {
	descriptor := b.Add(content)
	descriptor.MediaType = mediaType
	return descriptor
}

func (b blobs) json(mediaType types.MediaType, value any) v1.Descriptor {
	b.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		b.Fatal(err)
	}
	return b.put(mediaType, content)
}

// image makes an image; history names what made each layer, and steps that made
// none as empty.
func (b blobs) image(config v1.ConfigFile, layers ...v1.Descriptor) v1.Descriptor {
	b.Helper()
	if config.OS == "" {
		config.OS, config.Architecture = "linux", "amd64"
	}
	return b.json(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: b.json(types.OCIConfigJSON, config), Layers: layers,
	})
}

func (b blobs) index(artifactType string, manifests ...v1.Descriptor) v1.Descriptor {
	b.Helper()
	descriptor := b.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests})
	descriptor.ArtifactType = artifactType
	return descriptor
}

// runtime makes the artifact of a runtime with its own bill of materials.
func (b blobs) runtime(version, document string) bundle.Runtime {
	b.Helper()
	manifest := b.json(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, Config: b.json("application/vnd.oci.empty.v1+json", struct{}{}),
		Layers: []v1.Descriptor{b.put(runtime.SBOMMediaType, []byte(document))},
	})
	manifest.Annotations = map[string]string{runtime.AnnotationRole: runtime.RoleSBOM}
	return bundle.Runtime{Version: version, Descriptor: b.index(runtime.ArtifactType, manifest)}
}

// runtimeDocument is what the recipe writes, in small.
func runtimeDocument(version, grpc string) string {
	return `{"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "gravity-runtime-` + version + `",
  "packages": [
    {"name": "gravity-runtime", "SPDXID": "SPDXRef-runtime", "versionInfo": "` + version + `", "downloadLocation": "NOASSERTION", "filesAnalyzed": false},
    {"name": "etcd", "SPDXID": "SPDXRef-program-etcd-3.7.3", "versionInfo": "3.7.3", "downloadLocation": "NOASSERTION", "filesAnalyzed": false},
    {"name": "runc", "SPDXID": "SPDXRef-program-runc-1.5.2", "versionInfo": "1.5.2", "downloadLocation": "NOASSERTION", "filesAnalyzed": false},
    {"name": "bash", "SPDXID": "SPDXRef-deb-bash-5.2", "versionInfo": "5.2", "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
     "checksums": [{"algorithm": "SHA256", "checksumValue": "82130bb6a560cd2a7234d8018baf73f188f5dd56413d5aa0accc987b2197a6a1"}],
     "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:deb/debian/bash@5.2?arch=amd64"}]},
    {"name": "google.golang.org/grpc", "SPDXID": "SPDXRef-go-google.golang.org-grpc-` + grpc + `", "versionInfo": "` + grpc + `", "downloadLocation": "NOASSERTION", "filesAnalyzed": false}
  ],
  "relationships": [
    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-runtime"},
    {"spdxElementId": "SPDXRef-runtime", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-program-etcd-3.7.3"},
    {"spdxElementId": "SPDXRef-runtime", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-program-runc-1.5.2"},
    {"spdxElementId": "SPDXRef-runtime", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-deb-bash-5.2"},
    {"spdxElementId": "SPDXRef-program-etcd-3.7.3", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-go-google.golang.org-grpc-` + grpc + `"}
  ]}`
}

const debian = `Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+deb12u15
Description: GNU C Library
 Package: not-a-package
 Version: 1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: bash
Status: install ok installed
Architecture: amd64
Version: 1:5.2~rc1-2+b13
`

const alpine = `C:Q1abc=
P:musl
V:1.2.5-r9
A:x86_64
L:MIT
o:musl

P:libcrypto3
V:3.5.4-r0
A:x86_64
L:Apache-2.0 AND not a licence
o:openssl
F:lib
R:libcrypto.so.3
`

// complete is everything that a bill of materials may have, but gravity.
func complete(t testing.TB) sbom.Contents {
	t.Helper()
	b := blobs{t, bundle.Memory{}}
	// Not compressed whatever they say, so that the library that compresses does
	// not change their digests.
	base := b.put(types.OCILayer, tarOf(t,
		file{name: "etc/os-release", link: "../usr/lib/os-release"},
		file{name: "usr/lib/os-release", content: "ID=debian\nVERSION_ID=\"12\"\n"},
		file{name: "var/lib/dpkg/status", content: debian}))
	top := b.put(types.OCILayerZStd, tarOf(t, file{name: "app", content: "program"}))
	small := b.put(types.OCIUncompressedLayer, tarOf(t,
		file{name: "etc/os-release", content: "ID=alpine\nVERSION_ID=3.23.0\n"}, file{name: "lib/apk/db/installed", content: alpine}))
	web := b.image(v1.ConfigFile{
		History: []v1.History{{CreatedBy: "debian.sh --arch amd64"}, {CreatedBy: "ENV A=b", EmptyLayer: true}, {CreatedBy: "COPY app /  # buildkit\n  two <lines>"}},
		Config: v1.Config{Labels: map[string]string{
			"org.opencontainers.image.version": "2.0.1", "org.opencontainers.image.licenses": "apache-2.0 OR MIT",
			"org.opencontainers.image.vendor": "Example & Sons", "org.opencontainers.image.source": "https://git.example/web",
			"org.opencontainers.image.revision": "abc", "org.opencontainers.image.url": "https://web.example/",
		}},
	}, base, top)
	odd := b.image(v1.ConfigFile{
		History: []v1.History{{CreatedBy: "one"}, {CreatedBy: "of too many"}},
		Config: v1.Config{Labels: map[string]string{
			"org.opencontainers.image.licenses": "Our own", "org.opencontainers.image.url": "javascript:alert(1)",
		}},
	}, base)
	arm := b.image(v1.ConfigFile{OS: "linux", Architecture: "arm64", Variant: "v8"}, small)
	arm.Platform = &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	amd := b.image(v1.ConfigFile{}, small)
	amd.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	attestation := b.image(v1.ConfigFile{OS: "unknown", Architecture: "unknown"}, b.put("application/vnd.in-toto+json", []byte("{}")))
	attestation.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	missing := v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: 1, Digest: v1.Hash{Algorithm: "sha256", Hex: web.Digest.Hex[:63] + "0"}}
	target := b.runtime("1.37.2", runtimeDocument("1.37.2", "v1.81.0"))
	step := b.runtime("1.36.3", runtimeDocument("1.36.3", "v1.80.0"))
	step.Embedded = true
	return sbom.Contents{
		Name: "shop", Version: "1.2.3+build.4", Created: time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("", 3600)),
		Images: []bundle.Image{
			{Reference: "quay.example:5000/team/web:2.0", Descriptor: web},
			{Reference: "quay.example:5000/team/web@" + web.Digest.String(), Descriptor: web},
			{Reference: "nginx", Descriptor: b.index("", amd, arm, attestation)},
			{Reference: "docker.io/library/sparse:latest", Descriptor: b.index("", missing, amd), Present: []v1.Hash{amd.Digest}},
			{Reference: "odd.example/odd:1", Descriptor: odd},
		},
		Runtimes: []bundle.Runtime{target, step},
		Source:   b.Memory,
		Scanner:  &sbom.Scanner{Source: b.Memory},
	}
}

var validID = regexp.MustCompile(`^SPDXRef-[a-zA-Z0-9.-]+$`)
