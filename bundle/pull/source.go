package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// annotationName is the name of an image in a layout.
const annotationName = "org.opencontainers.image.ref.name"

// Source is where an image comes from instead of a registry: a Layout, an
// Archive or a Daemon, or what Names found in one.
type Source interface {
	// open gives the image that a reference, or the source itself, names.
	open(ctx context.Context, p *puller, reference name.Reference) (origin, error)
	// list returns the images of the source.
	list(ctx context.Context) ([]listed, error)
}

// origin has one image. Its methods are called by several goroutines at once.
type origin interface {
	// resolve returns the digest of the manifest.
	resolve(ctx context.Context) (v1.Hash, error)
	// manifest returns a manifest, of which the caller checks the digest.
	manifest(ctx context.Context, digest v1.Hash) ([]byte, error)
	// blob returns contents from an offset on, or from their beginning; start
	// says which. Errors that may go away, also of reading, are *temporary.
	blob(ctx context.Context, descriptor v1.Descriptor, offset int64) (body io.ReadCloser, start int64, err error)
	// close is called when nothing is read any more.
	close()
}

// open finds out where an image comes from.
func (p *puller) open(ctx context.Context, request Request) (origin, error) {
	reference, err := name.ParseReference(request.Reference)
	if err != nil {
		return nil, err
	}
	if request.From != nil {
		return request.From.open(ctx, p, reference)
	}
	return p.hosts.repository(reference)
}

// Layout is an image in an OCI image layout.
type Layout struct {
	// Folder is the layout.
	Folder string
	// Name is the image's org.opencontainers.image.ref.name there; if it is
	// empty, the layout must have one image.
	Name string
}

func (l Layout) open(_ context.Context, _ *puller, reference name.Reference) (origin, error) {
	index, err := layout.ImageIndexFromPath(l.Folder)
	if err != nil {
		return nil, fmt.Errorf("layout %s: %w", l.Folder, err)
	}
	listed, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("layout %s: %w", l.Folder, err)
	}
	var found []v1.Descriptor
	for _, manifest := range listed.Manifests {
		if l.Name == "" || manifest.Annotations[annotationName] == l.Name {
			found = append(found, manifest)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("layout %s has %d images of the name %q instead of one", l.Folder, len(found), l.Name)
	}
	return openLayout(l.Folder, found[0].Digest, reference)
}

func openLayout(folder string, digest v1.Hash, reference name.Reference) (origin, error) {
	if pinned, ok := reference.(name.Digest); ok && pinned.DigestStr() != digest.String() {
		return nil, fmt.Errorf("layout %s has %s instead of the digest in the reference", folder, digest)
	}
	return &layoutOrigin{Layout: bundle.Layout(folder), digest: digest}, nil
}

type layoutOrigin struct {
	bundle.Layout
	digest v1.Hash
}

func (l *layoutOrigin) resolve(context.Context) (v1.Hash, error) { return l.digest, nil }
func (l *layoutOrigin) close()                                   {}

func (l *layoutOrigin) manifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	file, err := l.Open(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, MaxManifestSize+1))
}

func (l *layoutOrigin) blob(_ context.Context, descriptor v1.Descriptor, offset int64) (io.ReadCloser, int64, error) {
	file, err := os.Open(filepath.Join(string(l.Layout), "blobs", descriptor.Digest.Algorithm, descriptor.Digest.Hex))
	if err != nil {
		return nil, 0, err
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, offset, nil
}

// Archive is an image in a tar of `docker save`. Its manifest is not the
// original one, so references with a digest are refused.
type Archive struct {
	// File is the tar.
	File string
	// Tag is the image's name there; if it is empty, the tar must have one image.
	Tag string
}

func (a Archive) open(_ context.Context, _ *puller, reference name.Reference) (origin, error) {
	if err := refuseDigest("a docker-archive", reference); err != nil {
		return nil, err
	}
	var tag *name.Tag
	if a.Tag != "" {
		parsed, err := name.NewTag(a.Tag)
		if err != nil {
			return nil, err
		}
		tag = &parsed
	}
	image, err := tarball.ImageFromPath(a.File, tag)
	if err != nil {
		return nil, fmt.Errorf("docker-archive %s: %w", a.File, err)
	}
	return &imageOrigin{image}, nil
}

func refuseDigest(source string, reference name.Reference) error {
	if _, ok := reference.(name.Digest); !ok && !strings.Contains(reference.String(), "@") {
		return nil
	}
	return cli.WithHint(fmt.Errorf("%s has no original manifest, so the digest in the reference cannot be kept", source),
		"pull from the registry or from an OCI layout")
}

// imageOrigin is an image whose manifest is computed.
type imageOrigin struct{ v1.Image }

func (i *imageOrigin) resolve(context.Context) (v1.Hash, error)          { return i.Digest() }
func (i *imageOrigin) manifest(context.Context, v1.Hash) ([]byte, error) { return i.RawManifest() }
func (i *imageOrigin) close()                                            {}
func (i *imageOrigin) blob(_ context.Context, descriptor v1.Descriptor, _ int64) (io.ReadCloser, int64, error) {
	if config, err := i.ConfigName(); err != nil {
		return nil, 0, err
	} else if config == descriptor.Digest {
		content, err := i.RawConfigFile()
		return io.NopCloser(bytes.NewReader(content)), 0, err
	}
	layer, err := i.LayerByDigest(descriptor.Digest)
	if err != nil {
		return nil, 0, err
	}
	body, err := layer.Compressed()
	return body, 0, err
}
