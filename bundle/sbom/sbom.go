// Package sbom writes the bill of materials of a bundle: an SPDX 2.3 document of
// the application, its images with their layers, the runtimes with all that they
// are made of, and gravity with its Go modules.
//
// It is one document. What several images or runtimes have in common is listed
// once and related to each. Equal contents give equal bytes: the time is the
// caller's, and the namespace follows from what is listed.
package sbom

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// Contents are what a bill of materials lists.
type Contents struct {
	// Name and Version are the application's.
	Name, Version string
	// Created is the time in the document; seconds count.
	Created time.Time
	// Images are those of the application.
	Images []bundle.Image
	// Runtimes are the target and those that upgrades step through.
	Runtimes []bundle.Runtime
	// Gravity is the program in the bundle, or nil.
	Gravity *Program
	// Source has the manifests and configurations of images, and the runtimes'
	// own bills of materials.
	Source bundle.BlobSource
	// Scanner looks for packages in images; nil lists none.
	Scanner *Scanner
}

// Program is an executable that the Go toolchain made.
type Program struct {
	// Version is what it says about itself.
	Version string
	// Digest is that of the file; the zero value if nobody knows it.
	Digest v1.Hash
	// File has its contents.
	File io.ReaderAt
}

// draft is a document while it is made.
type draft struct {
	*collection
	Contents
	application string
}

// New lists all contents. Errors name the image, runtime or program.
func New(ctx context.Context, contents Contents) (*Document, error) {
	d := &draft{collection: newCollection(), Contents: contents}
	d.application = d.add(Package{
		Name: contents.Name, SPDXID: identifier("application", contents.Name), VersionInfo: contents.Version, Purpose: "APPLICATION",
	}, "")
	d.link(documentID, describes, d.application, "")
	if err := d.addGravity(); err != nil {
		return nil, fmt.Errorf("bill of materials: gravity: %w", err)
	}
	for _, runtime := range sortedRuntimes(contents.Runtimes) {
		if err := d.addRuntime(ctx, runtime); err != nil {
			return nil, fmt.Errorf("bill of materials: runtime %s: %w", runtime.Version, err)
		}
	}
	for _, image := range sortedImages(contents.Images) {
		if err := d.addImage(ctx, image); err != nil {
			return nil, fmt.Errorf("bill of materials: image %s: %w", image.Reference, err)
		}
	}
	return d.document(contents.Name+"-"+contents.Version, contents.Created), nil
}

// addGravity adds gravity with the modules that are linked into it.
func (d *draft) addGravity() error {
	if d.Gravity == nil {
		return nil
	}
	info, err := buildinfo.Read(d.Gravity.File)
	if err != nil {
		return fmt.Errorf("read the modules: %w", err)
	}
	program := Package{
		Name: "gravity", SPDXID: identifier("gravity", d.Gravity.Version), VersionInfo: d.Gravity.Version,
		Purpose: "APPLICATION", Checksums: checksums(d.Gravity.Digest),
	}
	modules := map[string]string{"stdlib": strings.TrimPrefix(info.GoVersion, "go")}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		if !strings.HasPrefix(module.Path, ".") { // a folder of the same sources
			modules[module.Path] = module.Version
		}
	}
	id := d.add(program, hashOf(program, modules))
	d.link(d.application, dependsOn, id, "")
	for _, path := range sortedKeys(modules) {
		// As the runtimes have them, so that what both have is listed once.
		module := d.add(Package{
			Name: path, SPDXID: identifier("go", path, modules[path]), VersionInfo: modules[path],
			ExternalRefs: packageURL("golang", strings.ToLower(path), modules[path], nil),
		}, "")
		d.link(id, contains, module, "")
	}
	return nil
}

// checksums returns the checksum of a digest, or nothing.
func checksums(digest v1.Hash) []Checksum {
	if digest.Algorithm != "sha256" {
		return nil
	}
	return []Checksum{{Algorithm: "SHA256", Value: digest.Hex}}
}

// readJSON reads a small blob and checks it.
func readJSON(ctx context.Context, source bundle.BlobSource, descriptor v1.Descriptor, limit int64, value any) error {
	content, err := readBlob(ctx, source, descriptor, limit)
	if err != nil {
		return fmt.Errorf("blob %s: %w", descriptor.Digest, err)
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("blob %s: %w", descriptor.Digest, err)
	}
	return nil
}

func readBlob(ctx context.Context, source bundle.BlobSource, descriptor v1.Descriptor, limit int64) ([]byte, error) {
	if descriptor.Size > limit {
		return nil, fmt.Errorf("%d bytes, at most %d", descriptor.Size, limit)
	}
	blob, err := source.Open(ctx, descriptor.Digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	content, err := io.ReadAll(io.LimitReader(blob, descriptor.Size+1))
	if err != nil {
		return nil, err
	}
	digest, size, err := v1.SHA256(strings.NewReader(string(content)))
	if err != nil {
		return nil, err
	}
	if digest != descriptor.Digest || size != descriptor.Size {
		return nil, damaged(descriptor.Digest)
	}
	return content, nil
}
