package bundle

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/delta"
)

// maxLayerWindow is the largest window of zstd that a layer of a runtime has.
const maxLayerWindow = 8 << 20

// deltas are the layers that can be restored, by their digests.
type deltas map[v1.Hash]Delta

// readDeltas finds all deltas of a bundle. Two that restore the same layer must be
// the same, and no chain may be longer than allowed.
func (b *Bundle) readDeltas() (deltas, error) {
	found := deltas{}
	for _, listed := range b.index.Runtimes {
		if listed.Packed == nil {
			continue
		}
		of, err := readPacked(context.Background(), b, *listed.Packed)
		if err != nil {
			return nil, fmt.Errorf("runtime %s: %w", listed.Version, err)
		}
		for _, one := range of {
			if known, ok := found[one.Restores.Digest]; ok && known.Blob.Digest != one.Blob.Digest {
				return nil, fmt.Errorf("runtime %s: layer %s has two deltas", listed.Version, one.Restores.Digest)
			}
			found[one.Restores.Digest] = one
		}
	}
	for digest := range found {
		if found.depth(digest) > maxChain {
			return nil, fmt.Errorf("layer %s: it takes more than %d deltas to restore it", digest, maxChain)
		}
	}
	return found, nil
}

// depth is how many deltas it takes to restore a layer; a circle has no end.
func (d deltas) depth(digest v1.Hash) int {
	depth := 0
	for one, ok := d[digest]; ok && depth <= maxChain; one, ok = d[one.Base.Digest] {
		depth++
	}
	return depth
}

// restore returns a layer that is stored as a delta. Reading it to the end fails
// if it is not what its digest says.
func (b *Bundle) restore(ctx context.Context, one Delta) (io.ReadCloser, error) {
	r := &restored{digest: one.Restores.Digest, hasher: sha256.New()}
	opened := false
	defer func() {
		if !opened {
			_ = r.Close() // it was read only
		}
	}()
	blob, err := b.Open(ctx, one.Blob.Digest)
	if err != nil {
		return nil, fmt.Errorf("layer %s: its delta: %w", one.Restores.Digest, err)
	}
	r.closers = append(r.closers, blob)
	base, err := b.Open(ctx, one.Base.Digest)
	if err != nil {
		return nil, fmt.Errorf("layer %s: the base of its delta: %w", one.Restores.Digest, err)
	}
	r.closers = append(r.closers, base)
	plain := io.Reader(base)
	if strings.HasSuffix(string(one.Base.MediaType), "+zstd") {
		decoder, err := zstd.NewReader(base, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxLayerWindow))
		if err != nil {
			return nil, err
		}
		r.closers = append(r.closers, decoder.IOReadCloser())
		plain = decoder
	}
	reader, err := delta.NewReader(blob, plain)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", one.Restores.Digest, &DamagedError{one.Blob.Digest, err})
	}
	r.closers = append(r.closers, reader)
	if reader.Size() != one.Restores.Size {
		return nil, fmt.Errorf("layer %s: %w", one.Restores.Digest,
			&DamagedError{one.Blob.Digest, fmt.Errorf("it restores %d bytes instead of %d", reader.Size(), one.Restores.Size)})
	}
	r.from = reader
	opened = true
	return r, nil
}

// restored reads a layer that is being restored.
type restored struct {
	from    io.Reader
	digest  v1.Hash
	hasher  hash.Hash
	closers []io.Closer
}

// Read reads the next bytes.
func (r *restored) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.hasher.Write(p[:n])
	switch {
	case err == io.EOF: //nolint:errorlint // readers return it as it is
		if sumOf(r.hasher) != r.digest {
			return n, fmt.Errorf("layer %s: %w", r.digest, &DamagedError{r.digest, errDigest})
		}
	case err != nil:
		err = fmt.Errorf("restore layer %s: %w", r.digest, err)
	}
	return n, err
}

// Close closes all that is read for it.
func (r *restored) Close() error {
	var err error
	for _, one := range slices.Backward(r.closers) {
		err = errors.Join(err, one.Close())
	}
	return err
}

// Open opens a blob, so that a bundle is a BlobSource. Reading it to the end
// fails if it is not what its digest says. What is stored as a delta is restored
// while it is read, with less than 200 MB of memory.
func (b *Bundle) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if _, ok := b.sizes[digest]; ok {
		blob, err := b.Blob(digest)
		if err != nil {
			return nil, err
		}
		return verified{newChecked(blob, "blob "+digest.String(), digest)}, nil
	}
	known, err := b.deltas()
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if one, ok := known[digest]; ok {
		return b.restore(ctx, one)
	}
	lacking, err := b.needed()
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if one, ok := lacking[digest]; ok {
		return b.fromBase(ctx, digest, one)
	}
	return nil, fmt.Errorf("bundle: blob %s: %w", digest, fs.ErrNotExist)
}

// fromBase opens a blob that the bundle lacks.
func (b *Bundle) fromBase(ctx context.Context, digest v1.Hash, one neededBlob) (io.ReadCloser, error) {
	if b.source == nil {
		return nil, fmt.Errorf("bundle: %w", &MissingBaseError{*one.base, digest})
	}
	found, err := b.source.Open(ctx, digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("bundle: %w", &MissingBaseError{*one.base, digest})
	}
	if err != nil {
		return nil, fmt.Errorf("bundle: of its base %s: %w", one.base, err)
	}
	return &restored{from: found, digest: digest, hasher: sha256.New(), closers: []io.Closer{found}}, nil
}
