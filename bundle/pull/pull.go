// Package pull brings images into a cache of blobs by digest, from registries,
// OCI image layouts, docker-archives and local daemons, as bundles need them:
// manifests stay bit for bit.
//
// # The cache
//
// A cache is a folder with blobs/sha256/HEX for each complete blob and
// partial/HEX.partial for each that is on its way. A blob is written to its
// partial file, checked and renamed: what is below blobs is complete, whoever was
// killed. Only a power failure may leave a blob that is shorter, which is fetched
// again, or that has other contents: nobody waits for the disk, since whoever uses
// a blob of another process checks it, and Drop removes what is damaged.
// The partial file is locked while somebody writes it, so that processes share a
// cache and each blob is fetched by one of them. What an interruption left is
// continued by a range request, and begun again where the server knows no ranges.
//
// The time of a blob's file is when it was used last, to the hour. Prune removes
// what was not used for long; who uses the cache holds the file "lock" shared
// until Close, so that nothing disappears below it.
//
// # Requests
//
// A tag costs one HEAD request, a digest none; what is in the cache is not asked
// for. Nobody logs in before a registry demands it. Answers 408, 429 and 5xx and
// connections that fail are tried again, other answers are not.
//
// # Layers that are not distributable
//
// Foreign layers are asked for at the registry like all others, since a site
// without internet needs them; where it has none, they are fetched from the
// URLs of their descriptor, without credentials, and checked like all others.
//
// # Platforms
//
// Of an index, the manifest of one platform is fetched, unless all are wanted.
// The index stays as it is and becomes sparse: Image.Present has what is there.
package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

// Limits on what is believed.
const (
	// MaxManifestSize is the largest manifest or index, in bytes.
	MaxManifestSize = 4 << 20
	// MaxDepth is how deep indexes may lie in each other.
	MaxDepth = 4
	// MaxChildren is how many manifests an index, or layers a manifest, may have.
	MaxChildren = 1000
)

// DefaultParallel is how many transfers run at once if Options do not say.
const DefaultParallel = 8

// questionsPerTransfer is how many more questions may wait for their answers
// than there are transfers.
const questionsPerTransfer = 4

// Options say how images are pulled. The zero value is ready for use.
type Options struct {
	// Parallel is how many transfers run at once, over all images. Four times as
	// many tags are asked for.
	Parallel int
	// Platform is wanted of indexes; linux/amd64 if it is nil.
	Platform *v1.Platform
	// AllPlatforms wants all that indexes list.
	AllPlatforms bool
	// Keychain has the credentials; nil means those of docker, with its
	// credential helpers.
	Keychain authn.Keychain
	// Mirrors has for the host of a registry, as in index.docker.io, those that
	// are asked before it: a host, or a host and the beginning of a path.
	Mirrors map[string][]string
	// Insecure has the hosts of registries that may speak HTTP, or have
	// certificates that nobody vouches for; "*" means all hosts.
	Insecure []string
	// Transport makes the requests; nil means one with the proxies of the
	// environment. Insecure has no influence on the certificates that it takes.
	Transport http.RoundTripper
	// Retry says when failed requests are repeated.
	Retry Retry
	// Progress is told what happens; it may be nil.
	Progress Progress
}

// Request is an image that is wanted.
type Request struct {
	// Reference is the name of the image, as its user writes it.
	Reference string
	// From is where the image comes from; nil means the registry in Reference.
	From Source
}

// Image is an image in the cache.
type Image struct {
	// Reference is the name as it was asked for.
	Reference string
	// Descriptor has media type, digest and size of the manifest or index.
	Descriptor v1.Descriptor
	// Present are the manifests of a sparse index that are there; it is nil for
	// complete indexes and for images.
	Present []v1.Hash
	// Platforms are those that are there, as far as anybody tells.
	Platforms []v1.Platform
	// Blobs are all blobs that are there, each once: manifests, configurations
	// and layers, in the order in which manifests name them.
	Blobs []v1.Descriptor
}

// Error tells which image could not be pulled.
type Error struct {
	// Reference is the name of the image as it was asked for.
	Reference string
	// Action is what was being done, such as "get blob sha256:…".
	Action string
	// Err is why it failed.
	Err error
}

// Error returns reference, action and cause.
func (e *Error) Error() string {
	return fmt.Sprintf("pull %s: %s: %v", e.Reference, e.Action, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// action is an error of one action, which becomes an Error.
type action struct {
	name string
	err  error
}

func (a *action) Error() string { return a.name + ": " + a.err.Error() }
func (a *action) Unwrap() error { return a.err }

// doing names the action that an error is of, unless it has one already.
func doing(err error, format string, values ...any) error {
	var named *action
	if err == nil || errors.As(err, &named) {
		return err
	}
	return &action{name: fmt.Sprintf(format, values...), err: err}
}

// puller is one call of Pull.
type puller struct {
	*Cache
	options Options
	// slots are for transfers, questions for requests without contents, which
	// only wait.
	slots, questions *semaphore.Weighted
	flights          singleflight.Group
	progress         *tracker
	hosts            *hosts
	space            *space
	// exports bounds how many images of daemons lie on the disk at a time.
	exports *semaphore.Weighted
}

// newPuller prepares a call. The caller closes its hosts.
func (c *Cache) newPuller(ctx context.Context, requests []Request, options Options, cancel context.CancelCauseFunc) (*puller, error) {
	if options.Parallel <= 0 {
		options.Parallel = DefaultParallel
	}
	if options.Platform == nil {
		options.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	}
	if options.Keychain == nil {
		options.Keychain = authn.DefaultKeychain
	}
	if err := c.use(ctx); err != nil {
		return nil, err
	}
	space, err := newSpace(c.folder, requests, cancel)
	if err != nil {
		return nil, err
	}
	return &puller{
		Cache: c, options: options,
		slots:     semaphore.NewWeighted(int64(options.Parallel)),
		questions: semaphore.NewWeighted(questionsPerTransfer * int64(options.Parallel)),
		progress:  &tracker{progress: options.Progress},
		hosts:     newHosts(options),
		space:     space,
		exports:   semaphore.NewWeighted(maxExports),
	}, nil
}

// Manifest brings one manifest or index into the cache, and nothing of what it
// lists. It returns its digest and what it says.
func (c *Cache) Manifest(ctx context.Context, reference string, options Options) (v1.Hash, []byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := c.newPuller(ctx, nil, options, cancel)
	if err != nil {
		return v1.Hash{}, nil, err
	}
	defer p.hosts.close()
	from, err := p.open(ctx, Request{Reference: reference})
	if err != nil {
		return v1.Hash{}, nil, &Error{Reference: reference, Action: "read reference", Err: err}
	}
	defer from.close()
	digest, err := p.resolve(ctx, from)
	if err != nil {
		return v1.Hash{}, nil, &Error{Reference: reference, Action: "get digest", Err: err}
	}
	content, err := p.manifest(ctx, from, digest)
	if err != nil {
		return v1.Hash{}, nil, &Error{Reference: reference, Action: "get manifest " + digest.String(), Err: err}
	}
	return digest, content, nil
}

// Pull brings images into the cache and returns them in the order of the
// requests. Where some fail, the error joins an *Error for each of them, and the
// others are in the cache nevertheless. That there is not enough space for what
// is missing is found when the manifests are known, before blobs are fetched. It
// may be called by several goroutines and processes at once.
func (c *Cache) Pull(ctx context.Context, requests []Request, options Options) ([]Image, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := c.newPuller(ctx, requests, options, cancel)
	if err != nil {
		return nil, err
	}
	defer p.hosts.close()
	images, failures := make([]Image, len(requests)), make([]error, len(requests))
	var group sync.WaitGroup
	for i, request := range requests {
		group.Go(func() {
			images[i], failures[i] = p.image(ctx, request)
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("pull images: %w", context.Cause(ctx))
	}
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	return images, nil
}

// image pulls one image and tells about it.
func (p *puller) image(ctx context.Context, request Request) (Image, error) {
	p.progress.state(request.Reference, Resolving, nil)
	image, err := p.pullImage(ctx, request)
	if err != nil {
		failure := &Error{Reference: request.Reference, Action: "get image", Err: err}
		if named, ok := errors.AsType[*action](err); ok {
			failure.Action, failure.Err = named.name, named.err
		}
		p.progress.state(request.Reference, Failed, failure)
		return Image{}, failure
	}
	p.progress.state(request.Reference, Complete, nil)
	return image, nil
}

func (p *puller) pullImage(ctx context.Context, request Request) (Image, error) {
	known := p.space.expect(request)
	defer known()
	from, err := p.open(ctx, request)
	if err != nil {
		return Image{}, doing(err, "read reference")
	}
	defer from.close()
	digest, err := p.resolve(ctx, from)
	if err != nil {
		return Image{}, doing(err, "get digest")
	}
	walk := &walk{puller: p, from: from, seen: map[v1.Hash]int64{}}
	walk.image.Reference = request.Reference
	walk.fetching = sync.OnceFunc(func() { p.progress.state(request.Reference, Fetching, nil) })
	if err := walk.root(ctx, digest, known); err != nil {
		return Image{}, err
	}
	return walk.image, nil
}
