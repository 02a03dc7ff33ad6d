package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
)

// Seen is what the small entries of a bundle in a hub say. It is as far checked as
// what Find returns.
type Seen struct {
	// Index is what index.json says, and Digest its digest: that of the bundle.
	Index  *bundle.Index
	Digest v1.Hash
	// Signatures are those of index.json; they are right.
	Signatures signature.Set
	// Manifest is app.yaml.
	Manifest []byte
}

// Look reads the small entries of a bundle in a hub: at most five requests, besides
// those of logging in, and nothing is kept. The reference is that of Find, for who
// wants the rest, too.
func (c *Connection) Look(ctx context.Context, reference string) (*Seen, error) {
	parsed, err := c.parse(reference)
	if err != nil {
		return nil, err
	}
	seen, err := c.look(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", reference, explain(notFound(err, reference), parsed.Context().Registry))
	}
	return seen, nil
}

func (c *Connection) look(ctx context.Context, parsed name.Reference) (*Seen, error) {
	repository := parsed.Context()
	logged, err := c.client(ctx, repository.Registry, repository, repository.Scope(transport.PullScope))
	if err != nil {
		return nil, err
	}
	content, err := logged.named(ctx, parsed)
	if err != nil {
		return nil, err
	}
	described, err := parseIndex(content)
	if err != nil {
		return nil, err
	}
	if content, err = logged.small(ctx, repository, "manifests", described.files, bundle.MaxManifestSize); err != nil {
		return nil, err
	}
	files, err := parseFiles(content)
	if err != nil {
		return nil, err
	}
	seen := &Seen{Digest: files[bundle.NameIndex].Digest}
	if content, err = logged.small(ctx, repository, "blobs", files[bundle.NameIndex], bundle.MaxIndexSize); err != nil {
		return nil, err
	}
	if seen.Index, err = bundle.ParseIndex(content); err != nil {
		return nil, err
	}
	if listed, ok := files[bundle.NameSignature]; ok {
		signed, err := logged.small(ctx, repository, "blobs", listed, signature.MaxSize)
		if err != nil {
			return nil, err
		}
		if seen.Signatures, err = signature.Parse(signed, content); err != nil {
			return nil, fmt.Errorf("%s: %w", bundle.NameSignature, err)
		}
	}
	if err := checkName(seen.Index, parsed); err != nil {
		return nil, err
	}
	// Of what the registry lists, index.json has the last word.
	entry := seen.Index.Entries[bundle.NameManifest]
	seen.Manifest, err = logged.small(ctx, repository, "blobs", v1.Descriptor{Digest: entry.Digest, Size: entry.Size}, bundle.MaxManifestSize)
	return seen, err
}

// named is the manifest that a name leads to. What a digest leads to has it.
func (c *client) named(ctx context.Context, parsed name.Reference) ([]byte, error) {
	_, content, err := c.do(ctx, call{
		method: http.MethodGet, address: c.url("%s/manifests/%s", parsed.Context().RepositoryStr(), parsed.Identifier()),
		header: map[string]string{"Accept": accepted},
	}, nil, bundle.MaxManifestSize, http.StatusOK)
	if err != nil {
		return nil, err
	}
	if pinned, ok := parsed.(name.Digest); ok {
		return content, checkContent(content, pinned.DigestStr())
	}
	return content, nil
}

// small reads a manifest or a blob that fits into memory, and checks it. kind is
// that of the address.
func (c *client) small(ctx context.Context, repository name.Repository, kind string, descriptor v1.Descriptor, limit int64) ([]byte, error) {
	if descriptor.Size < 0 || descriptor.Size > limit {
		return nil, fmt.Errorf("blob %s: %d bytes, at most %d are allowed", descriptor.Digest, descriptor.Size, limit)
	}
	_, content, err := c.do(ctx, call{
		method: http.MethodGet, address: c.url("%s/%s/%s", repository.RepositoryStr(), kind, descriptor.Digest),
		header: map[string]string{"Accept": accepted},
	}, nil, descriptor.Size, http.StatusOK)
	if err != nil {
		return nil, err
	}
	return content, checkContent(content, descriptor.Digest.String())
}

var errOtherContent = errors.New("the registry sends something else")

func checkContent(content []byte, want string) error {
	got, _, err := v1.SHA256(strings.NewReader(string(content)))
	if err == nil && got.String() != want {
		err = fmt.Errorf("blob %s: %w: %s", want, errOtherContent, got)
	}
	return err
}
