package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// keepUnused is how long the cache keeps what nobody uses.
const keepUnused = 30 * 24 * time.Hour

// Remote is a bundle in a hub, of which index.json was read and checked.
type Remote struct {
	// Reference is the name that it was asked for by.
	Reference string
	// Index is what index.json says, and Digest its digest.
	Index  *bundle.Index
	Digest v1.Hash
	// Signatures are those of index.json; they are right.
	Signatures signature.Set

	connection *Connection
	cache      *pull.Cache
	repository name.Repository
	described  *described
	indexJSON  []byte
	signed     []byte
}

// Find reads index.json of a bundle in a hub, and with it who signed it. The small
// entries and the program are in the cache then; layers are not. The reference is
// HOST/PATH/NAME with :VERSION or, for what a registry calls a digest, @sha256:….
// That the name and version in index.json are others is an error. The caller closes
// what is returned.
func (c *Connection) Find(ctx context.Context, reference string) (*Remote, error) {
	parsed, err := c.parse(reference)
	if err != nil {
		return nil, err
	}
	cache, err := pull.OpenCache(c.options.StateDir)
	if err != nil {
		return nil, err
	}
	r := &Remote{Reference: reference, connection: c, cache: cache, repository: parsed.Context()}
	if err := r.find(ctx, parsed); err != nil {
		return nil, errors.Join(fmt.Errorf("bundle %s: %w", reference, explain(err, parsed.Context().Registry)), cache.Close())
	}
	return r, nil
}

// Close says that the cache is not used any more, and removes from it what has not
// been used for long.
func (r *Remote) Close(ctx context.Context) error {
	if err := r.cache.Close(); err != nil {
		return err
	}
	if _, err := r.cache.Prune(ctx, pull.Pruning{Unused: keepUnused}); err != nil && !errors.Is(err, pull.ErrInUse) && ctx.Err() == nil {
		return err
	}
	return nil
}

func (r *Remote) find(ctx context.Context, parsed name.Reference) error {
	_, content, err := r.cache.Manifest(ctx, parsed.Name(), r.options())
	if err != nil {
		return notFound(err, r.Reference)
	}
	if r.described, err = parseIndex(content); err != nil {
		return err
	}
	if err := r.pull(ctx, []v1.Descriptor{r.described.files}); err != nil {
		return err
	}
	if content, err = r.read(ctx, r.described.files, bundle.MaxManifestSize); err != nil {
		return err
	}
	files, err := parseFiles(content)
	if err != nil {
		return err
	}
	if r.indexJSON, err = r.read(ctx, files[bundle.NameIndex], bundle.MaxIndexSize); err != nil {
		return err
	}
	if r.Index, err = bundle.ParseIndex(r.indexJSON); err != nil {
		return err
	}
	r.Digest = files[bundle.NameIndex].Digest
	if listed, ok := files[bundle.NameSignature]; ok {
		if r.signed, err = r.read(ctx, listed, signature.MaxSize); err != nil {
			return err
		}
		if r.Signatures, err = signature.Parse(r.signed, r.indexJSON); err != nil {
			return fmt.Errorf("%s: %w", bundle.NameSignature, err)
		}
	}
	return checkName(r.Index, parsed)
}

// checkName refuses another bundle than the one that was asked for, whoever signed
// it: an older one is not what somebody wants who asks for a version.
func checkName(index *bundle.Index, parsed name.Reference) error {
	path := parsed.Context().RepositoryStr()
	last := path[strings.LastIndexByte(path, '/')+1:]
	tag, tagged := parsed.(name.Tag)
	if strings.ToLower(index.Name) != last || tagged && Tag(index.Version) != tag.TagStr() {
		return fmt.Errorf("the hub has another bundle under this name: %s %s", index.Name, index.Version)
	}
	return nil
}

// notFound says what to do about a name that the hub does not have.
func notFound(err error, reference string) error {
	if status(err) != 404 {
		return err
	}
	host, _ := SplitHost(reference)
	return cli.WithHint(err, "'tele ls %s' lists the bundles of the hub; if it has to be private, 'tele login %s'", host, host)
}

func (r *Remote) options() pull.Options {
	c := r.connection
	options := pull.Options{
		AllPlatforms: true, Keychain: c.options.Keychain, Insecure: c.options.Insecure, Parallel: c.options.Parallel, Retry: c.options.Retry,
	}
	if c.options.Progress != nil {
		options.Progress = &following{tell: c.progress}
	}
	return options
}

// following tells the connection how far one call of Pull is.
type following struct {
	tell        func(done, total int64)
	done, total int64
}

// Pulled passes on what is new.
func (f *following) Pulled(event pull.Event) {
	f.tell(event.Done-f.done, event.Total-f.total)
	f.done, f.total = event.Done, event.Total
}

// pull brings manifests with all below them into the cache.
func (r *Remote) pull(ctx context.Context, manifests []v1.Descriptor) error {
	var requests []pull.Request
	for _, manifest := range manifests {
		requests = append(requests, pull.Request{Reference: r.repository.Name() + "@" + manifest.Digest.String()})
	}
	_, err := r.cache.Pull(ctx, requests, r.options())
	return err
}

// read reads a small blob of the files. One that is damaged in the cache is fetched
// again.
func (r *Remote) read(ctx context.Context, descriptor v1.Descriptor, limit int64) ([]byte, error) {
	content, err := r.readCached(ctx, descriptor, limit)
	damaged, ok := errors.AsType[*bundle.DamagedError](err)
	if !ok {
		return content, err
	}
	if err := r.cache.Drop(ctx, damaged.Digest); err != nil {
		return nil, err
	}
	if err := r.pull(ctx, []v1.Descriptor{r.described.files}); err != nil {
		return nil, err
	}
	return r.readCached(ctx, descriptor, limit)
}

// readCached reads a small blob of the cache and checks it.
func (r *Remote) readCached(ctx context.Context, descriptor v1.Descriptor, limit int64) ([]byte, error) {
	if descriptor.Size < 0 || descriptor.Size > limit {
		return nil, fmt.Errorf("blob %s: %d bytes, at most %d are allowed", descriptor.Digest, descriptor.Size, limit)
	}
	blob, err := r.cache.Open(ctx, descriptor.Digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	content, err := io.ReadAll(io.LimitReader(blob, descriptor.Size+1))
	if err != nil {
		return nil, err
	}
	digest, _, err := v1.SHA256(strings.NewReader(string(content)))
	if err != nil {
		return nil, err
	}
	if digest != descriptor.Digest || int64(len(content)) != descriptor.Size {
		return nil, &bundle.DamagedError{Digest: descriptor.Digest, Err: errors.New("it is damaged in the cache")}
	}
	return content, nil
}

// Write brings all of the bundle into the cache and makes the file of it: byte for
// byte the bundle that was pushed. Like bundle.Write, it leaves what was there
// before unless all went well; what was interrupted is continued. progress is that
// of writing the file.
func (r *Remote) Write(ctx context.Context, path string, progress func(bundle.Progress)) (bundle.Written, error) {
	written, err := r.write(ctx, path, progress)
	if err != nil {
		return bundle.Written{}, fmt.Errorf("bundle %s: %w", r.Reference, explain(err, r.repository.Registry))
	}
	return written, nil
}

func (r *Remote) write(ctx context.Context, path string, progress func(bundle.Progress)) (bundle.Written, error) {
	mended := map[v1.Hash]bool{}
	for {
		written, err := r.tryWrite(ctx, path, progress)
		damaged, ok := errors.AsType[*bundle.DamagedError](err)
		if !ok || mended[damaged.Digest] {
			return written, err
		}
		// A power failure may have damaged the cache.
		mended[damaged.Digest] = true
		if err := r.cache.Drop(ctx, damaged.Digest); err != nil {
			return bundle.Written{}, err
		}
	}
}

func (r *Remote) tryWrite(ctx context.Context, path string, progress func(bundle.Progress)) (bundle.Written, error) {
	if err := r.pull(ctx, append([]v1.Descriptor{r.described.files}, r.described.children...)); err != nil {
		return bundle.Written{}, err
	}
	draft, err := bundle.Restore(ctx, r.indexJSON, r.signed, r.cache)
	if err != nil {
		return bundle.Written{}, err
	}
	return draft.Write(ctx, path, bundle.Options{Progress: progress})
}

// FileName is what a bundle's file is called if nobody says another name.
func (r *Remote) FileName() string {
	return filepath.Base(fmt.Sprintf("%s-%s.tar", r.Index.Name, r.Index.Version))
}

// unmarshal reads an answer.
func unmarshal(content []byte, value any) error {
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("the registry's answer: %w", err)
	}
	return nil
}
