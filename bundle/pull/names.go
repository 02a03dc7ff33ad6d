package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Names are the images that some sources have, by name.
type Names struct {
	sources []named
}

// named is what one source has.
type named struct {
	byName map[string]listed
	// byDigest has the images of a layout.
	byDigest map[v1.Hash]listed
}

// listed is an image as a source lists it.
type listed struct {
	// name is as it stands there.
	name   string
	digest v1.Hash
	source Source
	// several says that others have the same name.
	several bool
}

// ReadNames reads which images sources have, each source once. A Layout, Archive
// or Daemon whose Name or Tag is set has that image only.
func ReadNames(ctx context.Context, sources ...Source) (*Names, error) {
	names := &Names{}
	for _, source := range sources {
		images, err := source.list(ctx)
		if err != nil {
			return nil, err
		}
		n := named{byName: map[string]listed{}, byDigest: map[v1.Hash]listed{}}
		for _, image := range images {
			n.add(image)
		}
		names.sources = append(names.sources, n)
	}
	return names, nil
}

func (n *named) add(image listed) {
	if image.digest != (v1.Hash{}) {
		n.byDigest[image.digest] = image
	}
	if bareTag(image.name) {
		return
	}
	reference, err := name.ParseReference(image.name)
	if err != nil {
		return // nobody can ask for it
	}
	full := reference.Name()
	if other, ok := n.byName[full]; ok {
		image.several = other.several || other.digest != image.digest
	}
	n.byName[full] = image
}

// bareTag tells the names that layouts may have instead of references: only a
// tag says nothing about whose it is.
func bareTag(text string) bool { return !strings.ContainsAny(text, "/:@") }

// Find returns the source of an image, for Request.From: from the first of the
// sources that has it, or nil, which there means the registry, if none has it.
//
// Names are compared as what they mean: "nginx" and
// "docker.io/library/nginx:latest" are one. An image that a layout lists by a
// tag only is not found by that. A reference with a digest finds the image of a
// layout that has the digest, under whatever name, and nothing in archives and
// daemons, since they do not have original manifests. It is an error if a layout
// has several images of the name.
func (n *Names) Find(reference string) (Source, error) {
	parsed, err := name.ParseReference(reference)
	if err != nil {
		return nil, err
	}
	for _, source := range n.sources {
		var found listed
		var ok bool
		if pinned, isDigest := parsed.(name.Digest); isDigest {
			digest, err := v1.NewHash(pinned.DigestStr())
			if err != nil {
				return nil, err
			}
			found, ok = source.byDigest[digest]
		} else {
			found, ok = source.byName[parsed.Name()]
		}
		switch {
		case found.several:
			return nil, fmt.Errorf("layout %s has several images of the name %s", found.source.(layoutImage).folder, reference) //nolint:forcetypeassert // only layouts tell images apart
		case ok:
			return found.source, nil
		}
	}
	return nil, nil //nolint:nilnil // as Request.From has it
}

// list reads index.json.
func (l Layout) list(context.Context) ([]listed, error) {
	file, err := os.Open(filepath.Join(l.Folder, "index.json"))
	if err != nil {
		return nil, fmt.Errorf("layout %s: %w", l.Folder, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("layout %s: %w", l.Folder, err)
	}
	images, err := namesOfLayout(content)
	if err != nil {
		return nil, fmt.Errorf("layout %s: %w", l.Folder, err)
	}
	var found []listed
	for _, image := range images {
		if l.Name == "" || l.Name == image.name {
			image.source = layoutImage{folder: l.Folder, digest: image.digest}
			found = append(found, image)
		}
	}
	return found, nil
}

// nameAnnotations have the name of an image in a layout. containerd, and so
// `docker save`, keeps only the tag in the one that the standard has.
var nameAnnotations = []string{annotationName, "io.containerd.image.name"}

// namesOfLayout reads the names and digests of an index.json. An image may have
// several names, or none.
func namesOfLayout(content []byte) ([]listed, error) {
	var index v1.IndexManifest
	if err := json.Unmarshal(content, &index); err != nil {
		return nil, err
	}
	var images []listed
	for _, manifest := range index.Manifests {
		images = append(images, listed{digest: manifest.Digest})
		for _, annotation := range nameAnnotations {
			if text := manifest.Annotations[annotation]; text != "" {
				images = append(images, listed{digest: manifest.Digest, name: text})
			}
		}
	}
	return images, nil
}

// layoutImage is an image of a layout by its digest.
type layoutImage struct {
	folder string
	digest v1.Hash
}

func (l layoutImage) open(_ context.Context, _ *puller, reference name.Reference) (origin, error) {
	return openLayout(l.folder, l.digest, reference)
}

func (l layoutImage) list(context.Context) ([]listed, error) {
	return nil, errors.New("an image that was found has no names itself")
}

// list reads manifest.json.
func (a Archive) list(context.Context) ([]listed, error) {
	images, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(a.File) })
	if err != nil {
		return nil, fmt.Errorf("docker-archive %s: %w", a.File, err)
	}
	var found []listed
	for _, image := range images {
		for _, tag := range image.RepoTags {
			if a.Tag == "" || a.Tag == tag {
				found = append(found, listed{name: tag, source: Archive{File: a.File, Tag: tag}})
			}
		}
	}
	return found, nil
}

// tagsOf reads a daemon's list of images.
func tagsOf(content []byte) ([]string, error) {
	var images []struct{ RepoTags []string }
	if err := json.Unmarshal(content, &images); err != nil {
		return nil, err
	}
	var tags []string
	for _, image := range images {
		tags = append(tags, image.RepoTags...)
	}
	return tags, nil
}
