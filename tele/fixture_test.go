package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// fixture is a program for scripts:
//
//	fixture old|new|app FILE    writes a bundle
//	fixture flip FILE TEXT      changes a bit of the first such text in a file
//	fixture image layout|archive REFERENCE PATH   writes an image
//	fixture damage FOLDER       changes a bit of every file in a folder
//	fixture push LAYOUT NAME REFERENCE            copies an index to a registry
func fixture() {
	if err := runFixture(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runFixture(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "image":
		return writeImage(args[1], args[2], args[3])
	case len(args) == 4 && args[0] == "push":
		return pushIndex(args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "damage":
		return damageFiles(args[1])
	case len(args) == 2:
		return writeFixture(args[0], args[1])
	case len(args) == 3 && args[0] == "flip":
		content, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		at := bytes.Index(content, []byte(args[2]))
		if at < 0 {
			return errors.New("no such text")
		}
		content[at] ^= 1
		return os.WriteFile(args[1], content, 0o600)
	}
	return errors.New("usage: fixture old|new|app FILE, or fixture flip FILE TEXT")
}

func writeFixture(kind, path string) error {
	contents, ok := map[string]func() bundle.Contents{"old": oldShop, "new": newShop, "app": application}[kind]
	if !ok {
		return fmt.Errorf("no fixture %q", kind)
	}
	_, err := bundle.Write(context.Background(), path, contents(), bundle.Options{})
	return err
}

// maker makes images in memory, the same ones each time.
type maker struct{ bundle.Memory }

// layer makes a layer of a size that begins with a text.
func (m maker) layer(text string, size int) v1.Descriptor {
	content := append([]byte(text), bytes.Repeat([]byte{'.'}, size-len(text))...)
	descriptor := m.Add(content)
	descriptor.MediaType = types.OCILayer
	return descriptor
}

func (m maker) image(architecture string, layers ...v1.Descriptor) v1.Descriptor {
	file := v1.ConfigFile{Architecture: architecture, OS: "linux", RootFS: v1.RootFS{Type: "layers"}}
	for _, layer := range layers {
		file.RootFS.DiffIDs = append(file.RootFS.DiffIDs, layer.Digest)
	}
	return m.json(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: m.json(types.OCIConfigJSON, file), Layers: layers,
	})
}

func (m maker) index(artifactType string, manifests ...v1.Descriptor) v1.Descriptor {
	descriptor := m.json(types.OCIImageIndex, v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, ArtifactType: artifactType, Manifests: manifests,
	})
	descriptor.ArtifactType = artifactType
	return descriptor
}

func (m maker) json(mediaType types.MediaType, value any) v1.Descriptor {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	descriptor := m.Add(content)
	descriptor.MediaType = mediaType
	return descriptor
}

// folder makes the folder of an application.
func (m maker) folder(files map[string]string) *v1.Descriptor {
	var content bytes.Buffer
	compressed, err := zstd.NewWriter(&content)
	if err != nil {
		panic(err)
	}
	archive := tar.NewWriter(compressed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatPAX}
		err = errors.Join(err, archive.WriteHeader(header))
		_, writeErr := archive.Write([]byte(files[name]))
		err = errors.Join(err, writeErr)
	}
	if err := errors.Join(err, archive.Close(), compressed.Close()); err != nil {
		panic(err)
	}
	descriptor := m.Add(content.Bytes())
	return &v1.Descriptor{Digest: descriptor.Digest, Size: descriptor.Size}
}

func (m maker) runtime(version string, base v1.Descriptor) v1.Descriptor {
	return m.index(runtime.ArtifactType, m.image("amd64", base, m.layer("kube "+version, 2_000_000)))
}

const shopManifest = `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata:
  name: shop
  resourceVersion: VERSION
  description: |
    Sells things
    to people
  author: Example Inc.
installer:
  flavors:
    items:
      - name: small
        description: for a trial
        nodes:
          - profile: node
            count: 1
      - name: large
        nodes:
          - profile: node
            count: 3
nodeProfiles:
  - name: node
    description: runs everything
    requirements:
      cpu:
        min: 2
      ram:
        min: 4GB
hooks:
  install:
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: install}
      spec:
        template:
          spec:
            restartPolicy: Never
            containers: [{name: install, image: "docker.io/library/web:2.0"}]
  status:
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: status}
      spec:
        template:
          spec:
            restartPolicy: Never
            containers: [{name: status, image: "docker.io/library/web:2.0"}]
`

var linux = v1.Platform{OS: "linux", Architecture: "amd64"}

// oldShop has layers that images share, an image of two platforms and a sparse
// one, and a step of upgrades.
func oldShop() bundle.Contents {
	m := maker{bundle.Memory{}}
	base := m.layer("base", 700_000)
	amd, arm := m.image("amd64", base, m.layer("web amd64", 30_000)), m.image("arm64", m.layer("web arm64", 20_000))
	here := m.image("amd64", base)
	absent := v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: 100,
		Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("e", 64)},
	}
	program := m.Add([]byte("#!/bin/sh\necho \"gravity $*\"\n"))
	sbom := m.Add([]byte(`{"spdxVersion":"SPDX-2.3"}`))
	return bundle.Contents{
		Name: "shop", Version: "1.2.3", Platform: linux,
		Manifest:  []byte(strings.ReplaceAll(shopManifest, "VERSION", "1.2.3")),
		Resources: m.folder(map[string]string{"app.yaml": "old", "charts/web.yaml": "same", "old.txt": "x"}),
		Images: []bundle.Image{
			{Reference: "docker.io/library/web:2.0", Descriptor: m.index("", amd, arm)},
			{Reference: "quay.example/team/sparse:1", Descriptor: m.index("", here, absent), Present: []v1.Hash{here.Digest}},
			{Reference: "quay.example/team/latest:latest", Descriptor: m.image("amd64", base, m.layer("latest", 1000))},
			{Reference: "quay.example/team/gone:1", Descriptor: m.image("amd64", m.layer("gone", 5))},
		},
		Runtimes: []bundle.Runtime{
			{Version: "1.36.3", Embedded: true, Descriptor: m.runtime("1.36.3", base)},
			{Version: "1.37.2", Descriptor: m.runtime("1.37.2", base)},
		},
		SBOM: &sbom, Gravity: &program, Source: m,
	}
}

// newShop is the next version of oldShop.
func newShop() bundle.Contents {
	contents := oldShop()
	m := maker{bundle.Memory{}}
	base := m.layer("base", 700_000)
	contents.Version = "1.3.0"
	contents.Manifest = []byte(strings.ReplaceAll(shopManifest, "VERSION", "1.3.0"))
	contents.Resources = m.folder(map[string]string{"app.yaml": "new", "charts/web.yaml": "same", "new.txt": "x"})
	contents.Images = []bundle.Image{
		{Reference: "docker.io/library/web:2.1", Descriptor: m.image("amd64", base, m.layer("web 2.1", 30_000))},
		contents.Images[1],
		{Reference: "quay.example/team/latest:latest", Descriptor: m.image("amd64", base, m.layer("later", 2000))},
		{Reference: "quay.example/team/fresh:1", Descriptor: m.image("amd64", base, m.layer("fresh", 9))},
	}
	contents.Runtimes = []bundle.Runtime{{Version: "1.38.0", Descriptor: m.runtime("1.38.0", base)}, contents.Runtimes[1]}
	contents.Runtimes[1].Embedded = true
	contents.Source = bundle.Sources{contents.Source, m}
	return contents
}

// application is for clusters that exist: it has no Kubernetes.
func application() bundle.Contents {
	m := maker{bundle.Memory{}}
	return bundle.Contents{
		Name: "chart", Version: "0.1.0", Platform: linux,
		Manifest: []byte("apiVersion: app.gravitational.io/v2\nkind: Application\n" +
			"metadata:\n  name: chart\n  resourceVersion: 0.1.0\n"),
		Images: []bundle.Image{{Reference: "docker.io/library/one:1", Descriptor: m.image("amd64", m.layer("one", 500))}},
		Source: m,
	}
}
