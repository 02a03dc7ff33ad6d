package store

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

const (
	// dialTimeout is how long a master may take to accept a connection, and
	// answerTimeout how long to begin with an answer.
	dialTimeout   = 5 * time.Second
	answerTimeout = 20 * time.Second
)

// keepAlive notices within half a minute that who was sending is dead.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}

// Remote is the stores of masters, as their registries serve them. It is a Source
// for Import, of the images that it was made for.
type Remote struct {
	client *http.Client

	mu sync.Mutex
	// masters are asked in this order; those that did not answer come last.
	masters []netip.Addr
	// places has a repository for each digest, since registries serve blobs of
	// repositories only.
	places map[v1.Hash]place
	// opened has the master from which a blob was opened last, and damaged those that
	// have other contents for it.
	opened  map[v1.Hash]netip.Addr
	damaged map[v1.Hash][]netip.Addr
}

type place struct {
	repository string
	manifest   bool
}

// NewRemote returns the registries of some masters, asked in this order.
func NewRemote(masters []netip.Addr, config *tls.Config, images []Image) (*Remote, error) {
	r := &Remote{
		masters: slices.Clone(masters), places: make(map[v1.Hash]place),
		opened: make(map[v1.Hash]netip.Addr), damaged: make(map[v1.Hash][]netip.Addr),
		client: &http.Client{Transport: &http.Transport{
			DialContext:     (&net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}).DialContext,
			TLSClientConfig: config, TLSHandshakeTimeout: 2 * dialTimeout, ResponseHeaderTimeout: answerTimeout,
			MaxIdleConnsPerHost: parallel(), DisableCompression: true,
		}},
	}
	for _, image := range images {
		reference, err := ParseReference(image.Name)
		if err != nil {
			return nil, err
		}
		r.places[image.Descriptor.Digest] = place{reference.Repository, true}
	}
	return r, nil
}

// Close ends the connections.
func (r *Remote) Close() { r.client.CloseIdleConnections() }

// Open opens a blob at the first master that has it.
func (r *Remote) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	r.mu.Lock()
	place, known := r.places[digest]
	r.mu.Unlock()
	if !known {
		return nil, fmt.Errorf("blob %s belongs to no image that is wanted", digest)
	}
	body, _, err := r.Fetch(ctx, place.repository, digest, place.manifest)
	return body, err
}

// Fetch opens a blob of a repository at the first master that has it, and did not
// have it damaged.
func (r *Remote) Fetch(ctx context.Context, repository string, digest v1.Hash, manifest bool) (io.ReadCloser, int64, error) {
	var failed []error
	for _, master := range r.order(digest) {
		body, size, err := r.get(ctx, master, place{repository, manifest}, digest)
		if err == nil {
			r.mu.Lock()
			r.opened[digest] = master
			r.mu.Unlock()
			return &sent{body, r, master}, size, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, 0, r.missing(digest, failed)
}

// manifestTypes are all that a registry may have.
var manifestTypes = []types.MediaType{types.OCIImageIndex, types.OCIManifestSchema1, types.DockerManifestList, types.DockerManifestSchema2}

func (r *Remote) get(ctx context.Context, master netip.Addr, from place, digest v1.Hash) (io.ReadCloser, int64, error) {
	kind := "blobs"
	if from.manifest {
		kind = "manifests"
	}
	address := netip.AddrPortFrom(master, RegistryPort)
	url := fmt.Sprintf("https://%s/v2/%s/%s/%s", address, from.repository, kind, digest)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	if from.manifest {
		for _, mediaType := range manifestTypes {
			request.Header.Add("Accept", string(mediaType))
		}
	}
	response, err := r.client.Do(request)
	if err != nil {
		if ctx.Err() == nil {
			r.demote(master)
		}
		return nil, 0, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, 0, fmt.Errorf("%s answers %s", url, response.Status)
	}
	return response.Body, response.ContentLength, nil
}

// ReadManifest reads and checks a manifest, and learns where what it names is.
func (r *Remote) ReadManifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	content, err := r.readManifest(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", digest, err)
	}
	var read document
	if err := json.Unmarshal(content, &read); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", digest, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	repository := r.places[digest].repository
	for _, child := range read.Manifests {
		r.learn(child.Digest, place{repository, true})
	}
	if read.Config != nil {
		r.learn(read.Config.Digest, place{repository: repository})
	}
	for _, layer := range read.Layers {
		r.learn(layer.Digest, place{repository: repository})
	}
	return content, nil
}

// readManifest reads a manifest from the first master that does not have it damaged.
func (r *Remote) readManifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	for {
		body, err := r.Open(ctx, digest)
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(io.LimitReader(body, bundle.MaxManifestSize+1))
		_ = body.Close()
		if err != nil {
			return nil, err
		}
		if len(content) <= bundle.MaxManifestSize && hashOf(content) == digest {
			return content, nil
		}
		if err := r.Reject(digest); err != nil {
			return nil, err
		}
	}
}

func (r *Remote) learn(digest v1.Hash, at place) {
	if _, known := r.places[digest]; !known {
		r.places[digest] = at
	}
}
