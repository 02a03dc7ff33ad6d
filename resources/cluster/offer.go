package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/bundles"
)

// offer is what a bundle says of itself, before anything of it is on a machine.
type offer struct {
	// digest is that of index.json: what identifies the bundle.
	digest string
	index  *bundle.Index
	// signatures are of index.json, and right.
	signatures signature.Set
	// manifest is app.yaml, as index.json lists it.
	manifest []byte
}

// offer reads the small entries of a bundle: of a file, or by a few requests of one
// in a hub.
func (h hubs) offer(ctx context.Context, name string) (*offer, error) {
	reference, ok := bundles.InHub(name)
	if !ok {
		return openFile(name)
	}
	seen, err := h.Look(ctx, reference)
	if err != nil {
		return nil, err
	}
	return &offer{digest: seen.Digest.String(), index: seen.Index, signatures: seen.Signatures, manifest: seen.Manifest}, nil
}

// openFile reads the small entries of a file, however large it is, and nothing else
// of it: the contents of its layers count when they are on the machine.
func openFile(path string) (*offer, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, cli.WithHint(err, "paths begin at the directory in which Terraform runs; path.module is the module's")
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, cli.WithHint(fmt.Errorf("%s is a folder", path), "name the file that 'tele build' wrote")
	}
	opened, err := bundle.Open(path)
	if err != nil {
		return nil, cli.WithHint(err, "a bundle is a file that 'tele build' wrote; 'tele verify' tells more about a damaged one")
	}
	defer opened.Close()
	content, err := opened.Manifest()
	if err != nil {
		return nil, cli.WithHint(err, "'tele verify' tells more about a damaged bundle")
	}
	return &offer{
		digest: opened.Digest().String(), index: opened.Index(), signatures: opened.Signatures(), manifest: content,
	}, nil
}

// program is the digest that the index lists for the program, empty if it lists none.
func (o *offer) program() string {
	entry, ok := o.index.Entries[bundle.NameGravity]
	if !ok {
		return ""
	}
	return entry.Digest.String()
}

// String names the application.
func (o *offer) String() string { return strings.TrimSpace(o.index.Name + " " + o.index.Version) }
