package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const ociIndex = types.OCIImageIndex

// accepted are the media types of what a name may lead to.
const accepted = string(types.OCIImageIndex) + ", " + string(types.DockerManifestList) + ", " +
	string(types.OCIManifestSchema1) + ", " + string(types.DockerManifestSchema2)

// Pushed describes a bundle that was pushed.
type Pushed struct {
	// Reference is the bundle's name in the hub, Digest that of what the name leads
	// to: with signatures, so another than the bundle's.
	Reference string
	Digest    v1.Hash
	// Sent is how many bytes of blobs were sent, Reused how many were there.
	Sent, Reused int64
	// Unchanged tells that all was there, under this name.
	Unchanged bool
}

// ErrExists tells that another bundle has the name.
var ErrExists = errors.New("another bundle has this name in the hub")

// Push copies a bundle to HOST[/PATH], as HOST/PATH/NAME:VERSION (S07). What is in
// the repository already is not sent, nor what images of the bundle are in other
// repositories of the registry. A bundle of the same name and version with other
// contents is only replaced by force, which also asks for everything that the
// registry should have.
func (c *Connection) Push(ctx context.Context, b *bundle.Bundle, prefix string, force bool) (*Pushed, error) {
	target, err := c.Target(prefix, b.Index().Name, b.Index().Version)
	if err != nil {
		return nil, err
	}
	pushed, err := c.push(ctx, b, target, force)
	if err != nil {
		return nil, fmt.Errorf("push %s: %w", target.Name(), explain(err, target.Registry))
	}
	return pushed, nil
}

// pushing is one call of Push.
type pushing struct {
	*client
	*artifact
	target name.Tag
	force  bool
	sent   atomic.Int64
	reused atomic.Int64
}

func (c *Connection) push(ctx context.Context, b *bundle.Bundle, target name.Tag, force bool) (*Pushed, error) {
	planned, err := newArtifact(ctx, b)
	if err != nil {
		return nil, err
	}
	scopes := []string{target.Scope(transport.PushScope)}
	for _, other := range planned.neighbours(target) {
		scopes = append(scopes, other.Scope(transport.PullScope))
	}
	logged, err := c.client(ctx, target.Registry, target.Context(), scopes...)
	if err != nil {
		return nil, err
	}
	p := &pushing{client: logged, artifact: planned, target: target, force: force}
	result := &Pushed{Reference: target.Name(), Digest: planned.indexDigest}
	if result.Unchanged, err = p.isThere(ctx); err != nil || result.Unchanged {
		return result, err
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	result.Sent, result.Reused = p.sent.Load(), p.reused.Load()
	return result, nil
}

// neighbours are the repositories of the same registry that images of the bundle
// are named after.
func (a *artifact) neighbours(target name.Tag) []name.Repository {
	var found []name.Repository
	seen := map[string]bool{target.RepositoryStr(): true}
	for _, image := range a.bundle.Index().Images {
		reference, err := name.ParseReference(image.Reference)
		if err != nil || reference.Context().RegistryStr() != target.RegistryStr() || seen[reference.Context().RepositoryStr()] {
			continue
		}
		seen[reference.Context().RepositoryStr()] = true
		found = append(found, reference.Context())
	}
	return found
}

// mountFrom is the repository that may have a blob of an image already, or empty.
func (p *pushing) mountFrom(digest v1.Hash) string {
	reference, err := name.ParseReference(p.images[digest])
	if err != nil || reference.Context().RegistryStr() != p.target.RegistryStr() {
		return ""
	}
	return reference.Context().RepositoryStr()
}

// isThere asks what has the name. It fails if that is another bundle.
func (p *pushing) isThere(ctx context.Context) (bool, error) {
	found, err := p.head(ctx, p.target.TagStr())
	if err != nil || found == "" {
		return false, err
	}
	if p.force {
		return false, nil
	}
	if found == p.indexDigest.String() {
		return true, nil
	}
	_, content, err := p.do(ctx, call{
		method: http.MethodGet, address: p.manifestURL(p.target.TagStr()), header: map[string]string{"Accept": accepted},
	}, nil, bundle.MaxManifestSize, http.StatusOK)
	if err != nil {
		return false, err
	}
	// The same bundle with other signatures may replace it.
	other, err := parseIndex(content)
	if err == nil && other.digest == p.indexed {
		return false, nil
	}
	return false, cli.WithHint(fmt.Errorf("%w: its digest is %s", ErrExists, found),
		"build it with another --version, or replace what is there with --force")
}

func (p *pushing) manifestURL(identifier string) *url.URL {
	return p.url("%s/manifests/%s", p.target.RepositoryStr(), identifier)
}

// head returns the digest of a manifest, or nothing if there is none.
func (p *pushing) head(ctx context.Context, identifier string) (string, error) {
	response, _, err := p.do(ctx, call{
		method: http.MethodHead, address: p.manifestURL(identifier), header: map[string]string{"Accept": accepted},
	}, nil, 0, http.StatusOK, http.StatusNotFound)
	if err != nil || response.StatusCode == http.StatusNotFound {
		return "", err
	}
	if digest := response.Header.Get("Docker-Content-Digest"); digest != "" {
		return digest, nil
	}
	return "unknown", nil
}

// run sends what is missing: blobs first, then the manifests that name them, at
// last what the tag leads to. So whoever sees the tag sees all.
func (p *pushing) run(ctx context.Context) error {
	missing, err := p.missing(ctx)
	if err != nil {
		return err
	}
	levels := [][]*part{}
	blobs := map[v1.Hash]v1.Descriptor{}
	for _, layer := range p.fileLayers {
		blobs[layer.Digest] = layer
	}
	seen := map[v1.Hash]bool{}
	var collect func(p *part)
	collect = func(p *part) {
		if seen[p.descriptor.Digest] {
			return
		}
		seen[p.descriptor.Digest] = true
		for _, child := range p.manifests {
			collect(child)
		}
		for _, blob := range p.blobs {
			blobs[blob.Digest] = blob
		}
		for len(levels) <= p.level {
			levels = append(levels, nil)
		}
		levels[p.level] = append(levels[p.level], p)
	}
	for _, root := range missing {
		collect(root)
	}
	if err := p.sendBlobs(ctx, blobs); err != nil {
		return err
	}
	for _, level := range levels {
		err := p.each(ctx, len(level), func(ctx context.Context, i int) error {
			one := level[i]
			return p.put(ctx, one.descriptor.Digest.String(), one.descriptor, one.content)
		})
		if err != nil {
			return err
		}
	}
	if err := p.put(ctx, p.filesDescriptor.Digest.String(), p.filesDescriptor, p.files); err != nil {
		return err
	}
	return p.put(ctx, p.target.TagStr(), v1.Descriptor{MediaType: ociIndex, Digest: p.indexDigest}, p.index)
}

// each does something for each of some, several at a time.
func (p *pushing) each(ctx context.Context, count int, do func(ctx context.Context, i int) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(p.connection.options.Parallel)
	for i := range count {
		if working.Err() != nil {
			break
		}
		group.Go(func() error { return do(working, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// missing are the topmost manifests that the repository does not have. What it has
// it took with all below.
func (p *pushing) missing(ctx context.Context) ([]*part, error) {
	if p.force {
		return p.roots, nil
	}
	there := make([]bool, len(p.roots))
	err := p.each(ctx, len(p.roots), func(ctx context.Context, i int) error {
		found, err := p.head(ctx, p.roots[i].descriptor.Digest.String())
		there[i] = found != ""
		return err
	})
	if err != nil {
		return nil, err
	}
	var missing []*part
	for i, root := range p.roots {
		if !there[i] {
			missing = append(missing, root)
		}
	}
	return missing, nil
}

func (p *pushing) sendBlobs(ctx context.Context, blobs map[v1.Hash]v1.Descriptor) error {
	var list []v1.Descriptor
	var total int64
	for _, blob := range blobs {
		list = append(list, blob)
		total += blob.Size
	}
	p.connection.progress(0, total)
	return p.each(ctx, len(list), func(ctx context.Context, i int) error {
		if err := p.sendBlob(ctx, list[i]); err != nil {
			return fmt.Errorf("blob %s: %w", list[i].Digest, err)
		}
		return nil
	})
}

func (p *pushing) sendBlob(ctx context.Context, blob v1.Descriptor) error {
	address := p.url("%s/blobs/%s", p.target.RepositoryStr(), blob.Digest)
	response, _, err := p.do(ctx, call{method: http.MethodHead, address: address}, nil, 0, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusOK {
		p.reused.Add(blob.Size)
		p.connection.progress(blob.Size, 0)
		return nil
	}
	u := &upload{
		client: p.client, repository: p.target.Context(), descriptor: blob, mount: p.mountFrom(blob.Digest),
		open:   func() (io.ReaderAt, io.Closer, error) { return p.open(blob.Digest) },
		record: recordOf(p.connection.options.StateDir, p.target.Context(), blob.Digest),
	}
	if err := u.run(ctx); err != nil {
		if refused, ok := errors.AsType[*transport.Error](err); ok {
			for _, one := range refused.Errors {
				if one.Code == transport.DigestInvalidErrorCode {
					return cli.WithHint(err, "the bundle may be damaged: 'tele verify' tells")
				}
			}
		}
		return err
	}
	p.sent.Add(blob.Size)
	return nil
}

// open opens what a layer is made of: something that was made, a blob of the
// bundle or an entry.
func (p *pushing) open(digest v1.Hash) (io.ReaderAt, io.Closer, error) {
	if content, ok := p.made[digest]; ok {
		return bytes.NewReader(content), io.NopCloser(nil), nil
	}
	if p.has(digest) {
		blob, err := p.bundle.Blob(digest)
		return blob, blob, err
	}
	return p.openEntry(digest)
}

func (p *pushing) openEntry(digest v1.Hash) (io.ReaderAt, io.Closer, error) {
	for _, entry := range p.bundle.Entries() {
		if entry.Digest == digest {
			blob, err := p.bundle.Entry(entry.Name)
			return blob, blob, err
		}
	}
	return nil, nil, fmt.Errorf("blob %s: %w", digest, fs.ErrNotExist)
}

// put puts a manifest under a tag or its digest.
func (p *pushing) put(ctx context.Context, identifier string, descriptor v1.Descriptor, content []byte) error {
	response, _, err := p.do(ctx, call{
		method: http.MethodPut, address: p.manifestURL(identifier), header: map[string]string{"Content-Type": string(descriptor.MediaType)},
	}, content, 1<<20, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return cli.WithHint(fmt.Errorf("manifest %s: %w", descriptor.Digest, err),
			"if the hub has lost something that it had, --force sends all of the bundle again")
	}
	if digest := response.Header.Get("Docker-Content-Digest"); digest != "" && digest != descriptor.Digest.String() {
		return fmt.Errorf("manifest %s: the registry changed it to %s", descriptor.Digest, digest)
	}
	return nil
}
