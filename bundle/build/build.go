package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Options say how a bundle is built.
type Options struct {
	// Output is the path of the bundle; empty means NAME-VERSION.tar.
	Output string
	// Bases are paths of bundles that the site has: what layers they have is left
	// out, and layers of the runtime are stored as deltas to theirs.
	Bases []string
	// Overwrite replaces a file that is there.
	Overwrite bool
	// Gravity is the path of the program that bundles with a runtime contain.
	Gravity string
	// StateDir is the folder of the cache, which several builds may share.
	StateDir string
	// Images are where images are looked for before their registries.
	Images []pull.Source
	// Packages adds the distributions' packages inside images to the bill of
	// materials; layers are read for it, each once.
	Packages bool
	// SignKeys sign the bundle.
	SignKeys []signature.PrivateKey
	// Created is the time in the bill of materials, the only one in a bundle.
	Created time.Time
	// Pull says how images are pulled; Platform is that of the source, and
	// Progress is not used.
	Pull pull.Options
	// Progress is told what happens, by one goroutine at a time, and must return
	// soon; nil for none.
	Progress func(Event)
}

// Result is what was built.
type Result struct {
	bundle.Written
	// Path is where it is.
	Path string
	// Images is how many images it has, Fetched how many bytes of blobs came
	// from elsewhere into the cache.
	Images  int
	Fetched int64
	// Unchanged tells that the file was there already, with these contents.
	Unchanged bool
}

// builder is one build.
type builder struct {
	*Application
	options  Options
	steps    *steps
	cache    *pull.Cache
	deltas   deltaCache
	contents bundle.Contents
	sources  bundle.Sources
	files    bundle.Files
	result   Result
	// requests are the images that were pulled, to pull them again if one turns
	// out to be damaged.
	requests []pull.Request
	places   map[string][]discovery.Place
	// local are the images that come from named sources, remote those of which
	// something came from a registry.
	local, remote map[string]bool
	// target is the runtime as it was built.
	target []bundle.Runtime
	// synced are the embedded runtimes that were told about.
	synced map[string]bool
}

// Build makes the bundle. Its file appears under its name only when it is
// complete; a build that failed or was killed is continued by the next one,
// from the cache.
//
// Images that cannot be told are discovery.Problems, images that cannot be
// pulled a joined *ImageError for each.
func (a *Application) Build(ctx context.Context, options Options) (Result, error) {
	b := &builder{Application: a, options: options, files: bundle.Files{}, local: map[string]bool{}, remote: map[string]bool{}, synced: map[string]bool{}}
	if options.Progress == nil {
		b.options.Progress = func(Event) {}
	}
	b.result.Path = options.Output
	if b.result.Path == "" {
		b.result.Path = fmt.Sprintf("%s-%s.tar", a.Manifest.Metadata.Name, a.Manifest.Metadata.ResourceVersion)
	}
	if err := checkOutput(b.result.Path, options.Overwrite); err != nil {
		return Result{}, err
	}
	if err := os.MkdirAll(options.StateDir, 0o755); err != nil {
		return Result{}, fmt.Errorf("make the cache's folder: %w", err)
	}
	var err error
	if a.cache, err = inside(a.folder, options.StateDir); err != nil {
		return Result{}, err
	}
	if b.cache, err = pull.OpenCache(options.StateDir); err != nil {
		return Result{}, err
	}
	defer b.cache.Close()
	b.deltas = deltaCache(filepath.Join(options.StateDir, "deltas"))
	b.sources = bundle.Sources{b.files, b.cache, b.deltas}
	b.contents = bundle.Contents{
		Name: string(a.Manifest.Metadata.Name), Version: string(a.Manifest.Metadata.ResourceVersion),
		Platform: a.source.Platform,
	}
	defer b.closeBases()
	if err := b.openBases(); err != nil {
		return Result{}, err
	}
	if err := b.run(ctx); err != nil {
		return Result{}, err
	}
	b.prune(ctx)
	return b.result, nil
}

// keepUnused is how long the cache keeps what no build uses.
const keepUnused = 30 * 24 * time.Hour

// prune removes what has not been used for long, unless another build uses the
// cache.
func (b *builder) prune(ctx context.Context) {
	if err := b.cache.Close(); err != nil {
		b.steps.detail(fmt.Sprintf("The cache %s could not be closed: %v", b.options.StateDir, err))
		return
	}
	_, err := b.cache.Prune(ctx, pull.Pruning{Unused: keepUnused})
	if err == nil {
		err = b.deltas.prune(keepUnused)
	}
	if err != nil && !errors.Is(err, pull.ErrInUse) {
		// The bundle is complete, and the next build prunes again.
		b.steps.detail(fmt.Sprintf("The cache %s could not be pruned: %v", b.options.StateDir, err))
	}
}

// checkOutput refuses what cannot be written before anything is done.
func checkOutput(path string, overwrite bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		folder, err := os.Stat(filepath.Dir(path))
		if err != nil {
			return cli.WithHint(fmt.Errorf("write %s: %w", path, err), "make the folder first")
		}
		if !folder.IsDir() {
			return fmt.Errorf("write %s: %s is no folder", path, filepath.Dir(path))
		}
		return checkWritable(path)
	case err != nil:
		return fmt.Errorf("write %s: %w", path, err)
	case info.IsDir():
		return cli.WithHint(fmt.Errorf("write %s: it is a folder", path), "name a file by -o")
	case !info.Mode().IsRegular():
		return cli.WithHint(fmt.Errorf("write %s: it is no file", path), "a bundle is written to a file: name one by -o")
	case !overwrite:
		return fmt.Errorf("tarball %s already exists, please remove it first or provide '-f/--overwrite' flag to overwrite it", path)
	}
	return checkWritable(path)
}

// checkWritable tries to make a file where the bundle will be, since to find out
// only when everything is pulled would be late.
func checkWritable(path string) error {
	file, err := unnamedFile(filepath.Dir(path))
	if err != nil {
		if of, ok := errors.AsType[*fs.PathError](err); ok {
			err = of.Err
		}
		return cli.WithHint(fmt.Errorf("write %s: folder %s: %w", path, filepath.Dir(path), err), "name a file in a folder that you may write to by -o")
	}
	return file.Close()
}

// run goes through the steps.
func (b *builder) run(ctx context.Context) error {
	b.steps = &steps{tell: b.options.Progress, total: 4}
	if b.Runtime != "" {
		b.steps.total = 6 + len(b.Embedded)
		if err := b.addRuntime(ctx); err != nil {
			return err
		}
	}
	b.steps.next("Embedding application container images")
	if err := b.addImages(ctx); err != nil {
		return err
	}
	b.steps.next("Creating application")
	folder, err := b.addApplication(ctx)
	if err != nil {
		return err
	}
	defer folder.Close()
	b.steps.next("Generating the cluster snapshot")
	var draft *bundle.Draft
	err = b.mending(ctx, func() error {
		if err := b.addSBOM(ctx); err != nil {
			return err
		}
		draft, err = bundle.Plan(ctx, b.contents)
		return err
	})
	if err != nil {
		return err
	}
	if err := draft.Sign(b.options.SignKeys...); err != nil {
		return err
	}
	b.steps.next("Saving the snapshot as " + b.result.Path)
	return b.mending(ctx, func() error { return b.save(ctx, draft) })
}

// addRuntime gets the target runtime and the program gravity.
func (b *builder) addRuntime(ctx context.Context) error {
	b.steps.next("Selecting base image version")
	b.steps.detail(fmt.Sprintf("Will use base image version %s %s", b.Runtime, b.RuntimeReason))
	b.steps.next("Syncing packages for " + b.Runtime)
	descriptor, err := b.fetch(ctx, b.Runtime)
	if err != nil {
		return err
	}
	b.target = []bundle.Runtime{{Version: b.Runtime, Descriptor: descriptor}}
	b.contents.Runtimes = b.target
	if len(b.Embedded) > 0 || len(b.contents.Bases) > 0 {
		err := b.mending(ctx, func() error {
			b.contents.Runtimes = b.target
			return b.embed(ctx)
		})
		if err != nil {
			return err
		}
	}
	b.contents.Gravity, err = program(b.files, b.options.Gravity, b.source.Platform)
	return err
}

// fetch gets a runtime for the machines' platform.
func (b *builder) fetch(ctx context.Context, version string) (v1.Descriptor, error) {
	descriptor, source, err := b.runtimes.Fetch(ctx, version, b.cache, b.pullOptions())
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("runtime %s of %s: %w", version, b.runtimes, err)
	}
	if err := checkPlatform(ctx, source, descriptor, b.source.Platform); err != nil {
		return v1.Descriptor{}, fmt.Errorf("runtime %s of %s: %w", version, b.runtimes, err)
	}
	b.sources = append(b.sources, source)
	return descriptor, nil
}

// addImages finds the images of the application and brings them into the cache.
func (b *builder) addImages(ctx context.Context) error {
	found, err := b.Discover(ctx)
	if err != nil {
		return err
	}
	for _, note := range found.Notes {
		b.steps.detail(note.String())
	}
	for _, suspect := range found.Suspects {
		b.steps.detail(fmt.Sprintf("Will not embed %s, which %s names: list it in an ImageSet if a pod runs it",
			suspect.Name, suspect.Places[0].Position()))
	}
	if err := b.locate(ctx, found.Images); err != nil {
		return err
	}
	images, err := b.pull(ctx)
	if err != nil {
		return err
	}
	for _, image := range images {
		b.contents.Images = append(b.contents.Images, bundle.Image{
			Reference: image.Reference, Descriptor: image.Descriptor, Present: image.Present,
		})
		b.warnPlatform(image)
	}
	b.result.Images = len(images)
	return nil
}

// addApplication adds the manifest and the folder. The caller closes the
// folder's blob when the bundle is written.
func (b *builder) addApplication(ctx context.Context) (*unnamedBlob, error) {
	var err error
	if b.contents.Manifest, err = b.Manifest.Encode(); err != nil {
		return nil, err
	}
	folder, skipped, err := b.packFolder(ctx, b.options.StateDir, b.result.Path)
	if err != nil {
		return nil, err
	}
	for _, name := range skipped {
		b.steps.detail("Left out of the application: " + name)
	}
	b.contents.Resources = &folder.Descriptor
	b.sources = append(b.sources, folder)
	return folder, nil
}

// save writes the bundle, unless it is there.
func (b *builder) save(ctx context.Context, draft *bundle.Draft) error {
	record := recordOf(b.options.StateDir, b.result.Path)
	if record.holds(b.result.Path, draft.FileDigest()) {
		b.result.Unchanged = true
		b.result.Written = bundle.Written{Size: draft.Size(), Digest: draft.Digest(), Blobs: draft.Blobs()}
		return nil
	}
	written, err := draft.Write(ctx, b.result.Path, bundle.Options{
		Progress: func(p bundle.Progress) { b.steps.transfer(p.Done, p.Total) },
	})
	if err != nil {
		return err
	}
	b.result.Written = written
	// Without a record the next build writes again: that is no failure of this
	// one.
	_ = record.write(b.result.Path, draft.FileDigest())
	return nil
}

// mending does something that reads the cache. What turns out to be damaged
// there is pulled again, and the thing done once more: as often as another blob
// is named, since each time it is the first one only.
func (b *builder) mending(ctx context.Context, do func() error) error {
	mended := map[v1.Hash]bool{}
	for {
		err := do()
		damaged, ok := errors.AsType[*bundle.DamagedError](err)
		if !ok || mended[damaged.Digest] {
			return err
		}
		mended[damaged.Digest] = true
		b.steps.detail(fmt.Sprintf("Pulling again what is damaged in the cache: %s", damaged.Digest))
		if b.deltas.drop(damaged.Digest) {
			b.contents.Runtimes = b.target
			if err := b.embed(ctx); err != nil {
				return err
			}
			continue
		}
		if err := b.cache.Drop(ctx, damaged.Digest); err != nil {
			return err
		}
		if err := b.again(ctx); err != nil {
			return err
		}
		if _, err := b.pull(ctx); err != nil {
			return err
		}
	}
}

// again gets what of runtimes is not in the cache any more.
func (b *builder) again(ctx context.Context) error {
	if _, ok := b.runtimes.(registryRuntimes); ok {
		for _, version := range append([]string{b.Runtime}, b.Embedded...) {
			if _, _, err := b.runtimes.Fetch(ctx, version, b.cache, b.pullOptions()); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSmall reads a manifest or an index, and checks it.
func readSmall(ctx context.Context, source bundle.BlobSource, digest v1.Hash) ([]byte, error) {
	blob, err := source.Open(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	content, err := io.ReadAll(io.LimitReader(blob, bundle.MaxManifestSize+1))
	if err != nil {
		return nil, err
	}
	if len(content) > bundle.MaxManifestSize {
		return nil, fmt.Errorf("blob %s has more than %d bytes", digest, bundle.MaxManifestSize)
	}
	actual, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if actual != digest {
		return nil, &bundle.DamagedError{Digest: digest, Err: fmt.Errorf("it has the digest %s", actual)}
	}
	return content, nil
}
