package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// accepted are the media types that are asked for. Without schema1, registries
// would convert or deny old images in a way of their own.
var accepted = strings.Join([]string{
	string(types.OCIImageIndex), string(types.DockerManifestList),
	string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
	string(types.DockerManifestSchema1Signed) + ";q=0.1", string(types.DockerManifestSchema1) + ";q=0.1",
}, ", ")

// remote is an image in a registry and its mirrors.
type remote struct {
	hosts     *hosts
	reference name.Reference
	// sessions are those of the mirrors and last that of the registry.
	sessions []*session
}

func (r *remote) close() {}

// each asks the mirrors and the registry until one has the answer. Those who
// try again begin with the mirrors again, so that a dead mirror delays nothing.
func (r *remote) each(ctx context.Context, ask func(s *session) error) error {
	var failures []error
	for _, s := range r.sessions {
		err := ask(s)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		failures = append(failures, err)
	}
	if len(failures) == 1 {
		return failures[0]
	}
	return errors.Join(failures...)
}

// resolve asks which digest a tag has now.
func (r *remote) resolve(ctx context.Context) (v1.Hash, error) {
	if pinned, ok := r.reference.(name.Digest); ok {
		return v1.NewHash(pinned.DigestStr())
	}
	var digest v1.Hash
	err := r.hosts.retry.do(ctx, func() error {
		return r.each(ctx, func(s *session) error {
			response, err := s.send(ctx, http.MethodHead, "manifests/"+r.reference.Identifier(), accepted, span{})
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if value := response.Header.Get("Docker-Content-Digest"); value != "" {
				digest, err = v1.NewHash(value)
				return err
			}
			content, err := s.manifest(ctx, r.reference.Identifier())
			if err != nil {
				return err
			}
			digest, _, err = v1.SHA256(strings.NewReader(string(content)))
			return err
		})
	})
	return digest, err
}

func (r *remote) manifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	var content []byte
	err := r.hosts.retry.do(ctx, func() error {
		return r.each(ctx, func(s *session) (err error) {
			if content, err = s.manifest(ctx, digest.String()); err != nil {
				return err
			}
			return check(content, digest)
		})
	})
	return content, err
}

// manifest gets a manifest by its tag or digest.
func (s *session) manifest(ctx context.Context, identifier string) ([]byte, error) {
	response, err := s.send(ctx, http.MethodGet, "manifests/"+identifier, accepted, span{})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, MaxManifestSize+1))
	if err != nil {
		return nil, ofConnection(err)
	}
	if len(content) > MaxManifestSize {
		return nil, fmt.Errorf("manifest has more than %d bytes", MaxManifestSize)
	}
	return content, nil
}

// blob begins the transfer of a blob. One that is not distributable may be
// where its URLs say. Who calls it tries again.
func (r *remote) blob(ctx context.Context, descriptor v1.Descriptor, offset int64) (io.ReadCloser, int64, error) {
	var response *http.Response
	wanted := span{offset, descriptor.Size}
	err := r.each(ctx, func(s *session) (err error) {
		response, err = s.send(ctx, http.MethodGet, "blobs/"+descriptor.Digest.String(), "", wanted) //nolint:bodyclose // newBody has it, and who called closes that
		return err
	})
	var again *temporary
	if err != nil && !errors.As(err, &again) && !descriptor.MediaType.IsDistributable() {
		for _, address := range descriptor.URLs {
			var elsewhere error
			if response, elsewhere = r.hosts.foreign(ctx, address, wanted); elsewhere == nil {
				err = nil
				break
			}
			err = errors.Join(err, elsewhere)
		}
	}
	if err != nil {
		return nil, 0, err
	}
	start := int64(0)
	if response.StatusCode == http.StatusPartialContent {
		start = offset
		if want := fmt.Sprintf("bytes %d-", offset); !strings.HasPrefix(response.Header.Get("Content-Range"), want) {
			return nil, 0, errors.Join(fmt.Errorf("asked for %s, the registry sent %q", want, response.Header.Get("Content-Range")), response.Body.Close())
		}
	}
	return newBody(response.Body), start, nil
}

// foreign asks for a layer that is not in the registry.
func (h *hosts) foreign(ctx context.Context, address string, wanted span) (*http.Response, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return nil, fmt.Errorf("get layer that is not distributable: %q is no URL of HTTP", address)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	return answer(&http.Client{Transport: h.secure}, wanted.of(request))
}

// span is what is wanted of a blob, from an offset to its end. The zero value
// is all of it.
type span struct{ offset, size int64 }

// of asks for the span. The end is said, since not all servers guess it.
func (s span) of(request *http.Request) *http.Request {
	if s.offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", s.offset, s.size-1))
	}
	return request
}

// answer sends a request and returns the response if it is a good one. If a
// range cannot be had, it asks for the whole.
func answer(client *http.Client, request *http.Request) (*http.Response, error) {
	response, err := client.Do(request)
	if err != nil {
		var refused *transport.Error // of logging in
		if errors.As(err, &refused) && !retryable(refused.StatusCode) {
			return nil, err
		}
		return nil, ofConnection(err)
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		return response, nil
	case http.StatusRequestedRangeNotSatisfiable:
		if request.Header.Get("Range") != "" {
			_ = response.Body.Close()
			request = request.Clone(request.Context())
			request.Header.Del("Range")
			return answer(client, request)
		}
	}
	defer response.Body.Close()
	err = transport.CheckError(response, http.StatusOK)
	if err == nil {
		err = fmt.Errorf("unexpected status %s", response.Status)
	}
	if retryable(response.StatusCode) {
		return nil, &temporary{err: err, after: retryAfter(response.Header)}
	}
	return nil, err
}
