package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // what the registry takes
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is a registry on this machine with the images of a layout, by the names
// that they have there but for the host. It is what a release pipeline has, for the
// demonstration and for trials by hand.
type Registry struct {
	// Address is HOST:PORT.
	Address string
	// Images are the references of the images.
	Images []string

	server   *http.Server
	stored   string // its blobs
	ended    chan error
	requests atomic.Int64
}

// Serve starts a registry; an address with port 0 stands for any free port. Requests
// are answered until Close.
func Serve(ctx context.Context, folder, address string) (*Registry, error) {
	if _, err := os.Stat(filepath.Join(folder, "index.json")); err != nil {
		return nil, hintImages(fmt.Errorf("open the images: %w", err))
	}
	images, err := ocilayout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, hintImages(fmt.Errorf("open the images: %w", err))
	}
	index, err := images.IndexManifest()
	if err != nil {
		return nil, hintImages(fmt.Errorf("open the images: %w", err))
	}
	stored, err := os.MkdirTemp("", "example-registry-")
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), os.RemoveAll(stored))
	}
	r := &Registry{Address: listener.Addr().String(), stored: stored, ended: make(chan error, 1)}
	r.server = &http.Server{
		Handler: r.count(registry.New(
			registry.WithBlobHandler(registry.NewDiskBlobHandler(stored)), registry.Logger(log.New(io.Discard, "", 0)),
		)),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { r.ended <- r.server.Serve(listener) }()
	for _, descriptor := range index.Manifests {
		if err := r.push(ctx, images, descriptor); err != nil {
			return nil, errors.Join(fmt.Errorf("push %s: %w", descriptor.Annotations[refName], err), r.Close())
		}
	}
	r.requests.Store(0)
	return r, nil
}

// push stores an image.
func (r *Registry) push(ctx context.Context, images v1.ImageIndex, descriptor v1.Descriptor) error {
	_, path, _ := strings.Cut(descriptor.Annotations[refName], "/")
	reference, err := name.ParseReference(r.Address+"/"+path, name.Insecure)
	if err != nil {
		return err
	}
	image, err := images.Image(descriptor.Digest)
	if err != nil {
		return err
	}
	r.Images = append(r.Images, reference.Name())
	return remote.Write(reference, image, remote.WithContext(ctx))
}

// Requests counts those that were answered since Serve.
func (r *Registry) Requests() int64 { return r.requests.Load() }

// Close ends the registry and removes what it has stored.
func (r *Registry) Close() error {
	err := r.server.Close()
	if ended := <-r.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return errors.Join(err, os.RemoveAll(r.stored))
}

func (r *Registry) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.requests.Add(1)
		next.ServeHTTP(w, request)
	})
}
