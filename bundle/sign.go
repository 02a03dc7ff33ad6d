package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
)

// maxEntrySize is the largest entry before gravity, in bytes: gravity.db with as
// many blobs as a bundle may have.
const maxEntrySize = 64 << 20

// readSignatures reads index.json.sig, which a bundle may lack. What is there
// must be right.
func readSignatures(store store, index []byte) (signature.Set, error) {
	if _, ok := store.stat(NameSignature); !ok {
		return nil, nil
	}
	content, err := readSmall(store, NameSignature, signature.MaxSize)
	if err != nil {
		return nil, err
	}
	set, err := signature.Parse(content, index)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", NameSignature, err)
	}
	return set, nil
}

// Signatures are those of index.json, which are right: each is that of its own
// key. Whether a key is to be trusted is for others to say (package trust).
func (b *Bundle) Signatures() signature.Set { return b.signatures }

// IndexJSON returns index.json, whose digest is Digest. It must not be changed.
func (b *Bundle) IndexJSON() []byte { return b.rawIndex }

// IndexJSON returns index.json, whose digest is Digest. It must not be changed.
func (d *Draft) IndexJSON() []byte { return d.draft.small[NameIndex] }

// Signatures returns index.json.sig, or nil if nobody signed.
func (d *Draft) Signatures() []byte { return d.draft.small[NameSignature] }

// FileDigest identifies the bytes of the file: the digest of the bundle together
// with its signatures.
func (d *Draft) FileDigest() v1.Hash {
	if d.Signatures() == nil {
		return d.Digest()
	}
	return hashOf(append([]byte(d.Digest().String()+"\n"), d.Signatures()...))
}

// Sign adds signatures of index.json by keys. The digest stays.
func (d *Draft) Sign(keys ...signature.PrivateKey) error {
	set, err := sign(nil, d.IndexJSON(), keys)
	if err != nil {
		return err
	}
	return d.setSignatures(set)
}

func (d *Draft) setSignatures(set signature.Set) (err error) {
	delete(d.draft.small, NameSignature)
	if content := set.Encode(); content != nil {
		d.draft.small[NameSignature] = content
	}
	d.items, d.size, err = d.draft.place()
	return err
}

func sign(set signature.Set, index []byte, keys []signature.PrivateKey) (signature.Set, error) {
	for _, key := range keys {
		one, err := key.Sign(index)
		if err == nil {
			set, err = set.With(one)
		}
		if err != nil {
			return nil, err
		}
	}
	return set, nil
}

// Restore decides what a bundle will be of which index.json is there, with its
// signatures (nil for none), and a source with all blobs and with all entries
// that index.json lists, by their digests. What a bundle lacks and its bases have,
// the source need not have. The bundle is byte for byte the one that index.json is
// of, wherever its parts were meanwhile.
func Restore(ctx context.Context, index, signatures []byte, source BlobSource) (*Draft, error) {
	parsed, err := ParseIndex(index)
	if err != nil {
		return nil, err
	}
	var set signature.Set
	if signatures != nil {
		if set, err = signature.Parse(signatures, index); err != nil {
			return nil, fmt.Errorf("%s: %w", NameSignature, err)
		}
	}
	d := &draft{index: *parsed, source: source, small: map[string][]byte{NameIndex: index}}
	if d.graph, err = walk(ctx, source, parsed.roots(), nil); err != nil {
		return nil, err
	}
	lacking, err := parsed.readBases(ctx, source)
	if err != nil {
		return nil, err
	}
	if err := lacking.mark(d.graph); err != nil {
		return nil, err
	}
	for name, entry := range parsed.Entries {
		if name == NameGravity {
			continue
		}
		if d.small[name], err = readLimited(ctx, source, entry.Digest, entry.Size, maxEntrySize); err != nil {
			return nil, fmt.Errorf("entry %s: %w", name, err)
		}
	}
	d.small[NameBlobs] = table{index: hashOf(index), rows: d.graph.order()}.encode()
	draft := &Draft{draft: d}
	return draft, draft.setSignatures(set)
}

// entries is a bundle as a source of its blobs and entries, by their digests.
type entries struct{ *Bundle }

// Open opens a blob or an entry. An entry is preferred to what only a base has: the
// manifest of the application is both, if it has not changed since the base.
func (e entries) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if _, ok := e.sizes[digest]; !ok {
		for name, entry := range e.index.Entries {
			if entry.Digest == digest {
				return e.OpenEntry(name)
			}
		}
	}
	return e.Bundle.Open(ctx, digest)
}

// Source is the bundle as a source of its blobs and of the entries that
// index.json lists, by their digests.
func (b *Bundle) Source() BlobSource { return entries{b} }

// Sign adds signatures by keys to a bundle: a tar, or the folder that one was
// extracted to. An error, a cancelled context and a killed process leave what was
// there before. Of a tar that Write made, the layers are copied within the
// kernel, which shares their blocks where the file system can; they are not read.
// It returns all signatures that the bundle has then. If they were there already,
// nothing is written.
func Sign(ctx context.Context, path string, keys []signature.PrivateKey, options Options) (signature.Set, error) {
	set, err := signFile(ctx, path, keys, options)
	if err != nil {
		return nil, fmt.Errorf("sign bundle %s: %w", path, err)
	}
	return set, nil
}

func signFile(ctx context.Context, path string, keys []signature.PrivateKey, options Options) (signature.Set, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, reason(err)
	}
	b, err := open(path)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	set, err := sign(b.signatures, b.rawIndex, keys)
	if err != nil || bytes.Equal(set.Encode(), b.signatures.Encode()) {
		return set, err
	}
	switch opened := b.store.(type) {
	case *folder:
		return set, renameio.WriteFile(filepath.Join(path, NameSignature), set.Encode(), 0o644)
	case *tarFile:
		return set, b.rewrite(ctx, path, opened, set, options)
	}
	return nil, errors.New("is neither a tar nor a folder")
}

// rewrite writes the bundle's tar again with other signatures.
func (b *Bundle) rewrite(ctx context.Context, path string, from *tarFile, set signature.Set, options Options) error {
	draft, err := Restore(ctx, b.rawIndex, set.Encode(), b.Source())
	if err != nil {
		return err
	}
	if err := checkSpace(filepath.Dir(path), draft.size); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	output, err := createOutput(path)
	if err != nil {
		return err
	}
	defer output.discard()
	if err := output.Truncate(draft.size); err != nil {
		return err
	}
	if err := draft.fillFrom(ctx, output.File, from, options); err != nil {
		return explainFull(err, path, draft.size)
	}
	if err := output.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	return explainFull(output.commit(), path, draft.size)
}

// fillFrom writes all entries. From the contents of the first blob on, a tar that
// Write made is the same whatever is before, since that is aligned: it is copied
// as a whole.
func (d *Draft) fillFrom(ctx context.Context, output *os.File, from *tarFile, options Options) error {
	file, ok := from.reader.(*os.File)
	first := 0
	for first < len(d.items) && !isBlobName(d.items[first].entry.Name) {
		first++
	}
	if !ok || first == len(d.items) || !from.sameBlobs(d.items[first:], d.size) {
		return d.draft.fill(ctx, output, d.items, options)
	}
	head := append([]item(nil), d.items[:first]...)
	// The headers only: a small entry has nothing else.
	blob := d.items[first]
	head = append(head, item{entry: blob.entry, headers: blob.headers})
	if err := d.draft.fill(ctx, output, head, Options{}); err != nil {
		return err
	}
	start := from.computed[blob.entry.Name].Offset
	count := options.counter(from.size - start)
	c := &copier{to: output, buffer: make([]byte, bufferSize), wrote: func(n int64) { count("", n) }}
	return c.copyUnread(ctx, file, start, from.size-start, blob.entry.Offset)
}

// sameBlobs tells whether the tar has the given blobs in their order, where Write
// puts them, and nothing else behind the first one's headers. Size is that of the
// file in which they will be.
func (t *tarFile) sameBlobs(items []item, size int64) bool {
	first, ok := t.computed[items[0].entry.Name]
	if !ok || len(t.computed) != len(items) {
		return false
	}
	shift := items[0].entry.Offset - first.Offset
	for _, one := range items {
		was, ok := t.computed[one.entry.Name]
		if !ok || was.Size != one.entry.Size || was.Offset+shift != one.entry.Offset {
			return false
		}
	}
	return t.size+shift == size
}
