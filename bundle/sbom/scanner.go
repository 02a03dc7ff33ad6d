package sbom

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// Scanner finds the packages that are installed in images, of Debian's and
// Alpine's families. It reads all layers of an image, so it takes as long as to
// decompress them. It may be used by several goroutines at once.
type Scanner struct {
	// Source has the layers.
	Source bundle.BlobSource
	// Cache is a folder that keeps what each layer tells, by its digest; it is
	// made if it is missing. If it is empty, nothing is kept.
	Cache string

	flights singleflight.Group
}

// Packages returns what is installed in the image of some layers, the lowest
// first, sorted by name: what is left when each layer is put on top of the
// others. The error may be a *bundle.DamagedError.
func (s *Scanner) Packages(ctx context.Context, layers ...v1.Descriptor) ([]Installed, error) {
	facts := make([]*layerFacts, len(layers))
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(min(4, runtime.GOMAXPROCS(0)))
	for i, layer := range layers {
		group.Go(func() (err error) {
			if facts[i], err = s.layer(working, layer); err != nil {
				return fmt.Errorf("layer %s: %w", layer.Digest, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	files := map[string]fileFacts{}
	for _, layer := range facts {
		layer.over(files)
	}
	return installed(files), nil
}

// installed joins what the files of an image tell.
func installed(files map[string]fileFacts) []Installed {
	release := files[osRelease]
	if release.Distribution == "" {
		release = files[osReleaseOf]
	}
	var found []Installed
	for _, file := range files {
		for _, one := range file.Installed {
			one.Distribution, one.Release = release.Distribution, release.Release
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b Installed) int {
		return cmp.Or(
			strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.Architecture, b.Architecture),
			strings.Compare(a.Kind, b.Kind), strings.Compare(a.Source, b.Source), strings.Compare(a.License, b.License),
		)
	})
	return slices.Compact(found)
}

// layer reads a layer, once for all images that have it and ask at a time.
func (s *Scanner) layer(ctx context.Context, layer v1.Descriptor) (*layerFacts, error) {
	for {
		mine := false
		facts, err, _ := s.flights.Do(layer.Digest.String(), func() (any, error) {
			mine = true
			if facts := s.cached(layer.Digest); facts != nil {
				return facts, nil
			}
			facts, err := readLayer(ctx, s.Source, layer)
			if err != nil {
				return nil, err
			}
			return facts, s.keep(layer.Digest, facts)
		})
		if err == nil {
			return facts.(*layerFacts), nil //nolint:forcetypeassert // it is what the function above returns
		}
		// Who shares a failure tries again: it may be the other one's context.
		if mine || ctx.Err() != nil {
			return nil, err
		}
	}
}

// factsVersion is in the names of what is kept; another one reads layers again.
const factsVersion = "1"

func (s *Scanner) path(digest v1.Hash) string {
	return filepath.Join(s.Cache, digest.Hex+".packages."+factsVersion+".json")
}

// cached returns what was kept, or nil.
func (s *Scanner) cached(digest v1.Hash) *layerFacts {
	if s.Cache == "" {
		return nil
	}
	file, err := os.Open(s.path(digest))
	if err != nil {
		return nil
	}
	defer file.Close()
	facts := &layerFacts{}
	if json.NewDecoder(io.LimitReader(file, 2*maxDatabase)).Decode(facts) != nil {
		return nil // it is made again
	}
	return facts
}

func (s *Scanner) keep(digest v1.Hash, facts *layerFacts) error {
	if s.Cache == "" {
		return nil
	}
	content, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.Cache, 0o755); err != nil {
		return err
	}
	return renameio.WriteFile(s.path(digest), content, 0o644)
}

// addInstalled adds the packages in an image, if they are wanted.
func (d *draft) addInstalled(ctx context.Context, image string, layers []v1.Descriptor) error {
	if d.Scanner == nil {
		return nil
	}
	var tars []v1.Descriptor
	for _, layer := range layers {
		if layer.MediaType.IsLayer() { // and not what else lies in registries
			tars = append(tars, layer)
		}
	}
	found, err := d.Scanner.Packages(ctx, tars...)
	if err != nil {
		return err
	}
	for _, one := range found {
		d.link(image, contains, d.add(one.describe(), ""), "")
	}
	return nil
}

// families name the distribution of packages in images that do not tell it.
var families = map[string]string{KindDebian: "debian", KindAlpine: "alpine"}

// describe returns the package of an installed one.
func (i Installed) describe() Package {
	distribution := cmp.Or(strings.ToLower(i.Distribution), families[i.Kind])
	qualifiers := map[string]string{"arch": i.Architecture, "upstream": i.Source}
	if i.Release != "" {
		qualifiers["distro"] = distribution + "-" + i.Release
	}
	p := Package{
		Name: i.Name, SPDXID: identifier(i.Kind, i.Name, i.Version), VersionInfo: i.Version,
		ExternalRefs: packageURL(i.Kind, distribution+"/"+strings.ToLower(i.Name), i.Version, qualifiers),
	}
	if i.License != "" {
		p.LicenseDeclared = license(i.License)
	}
	return p
}
