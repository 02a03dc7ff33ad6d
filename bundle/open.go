package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
)

// Bundle is an open bundle: a tar, or the folder that one was extracted to. Its
// methods may be called by several goroutines at once.
type Bundle struct {
	store  store
	index  *Index
	digest v1.Hash
	table  table
	sizes  map[v1.Hash]int64
	// rawIndex is index.json, rawTable blobs.txt.
	rawIndex, rawTable []byte
	signatures         signature.Set
	// deltas reads, once, which layers are stored as deltas.
	deltas func() (deltas, error)
	// bases reads, once, what the bundle lacks; source has it, or is nil.
	bases  func() (*bases, error)
	source BlobSource
}

// store is where the entries of a bundle lie.
type store interface {
	// stat describes an entry that is no blob; false if there is none.
	stat(name string) (Entry, bool)
	// open opens any entry. The size of a blob is known already; what has
	// another is an error.
	open(name string) (*Blob, error)
	// checkAll hands every violation of the tar's or the folder's own rules to
	// report, with the name of the entry that it is about.
	checkAll(ctx context.Context, report func(name string, err error)) error
	// blobs lists the blobs that are there, by the digits of their digests, with
	// their sizes.
	blobs() (map[string]int64, error)
	close() error
}

// Open opens a bundle, by the path of its tar or of the folder that it was
// extracted to (S02). It reads the small entries, checks that all others are
// there with their sizes, and takes milliseconds; their contents are checked
// when they are read, and all together by Verify. The caller closes the bundle.
func Open(path string) (*Bundle, error) {
	bundle, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", path, err)
	}
	return bundle, nil
}

func open(path string) (*Bundle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, reason(err)
	}
	if info.IsDir() {
		store, err := openFolder(path)
		if err != nil {
			return nil, reason(err)
		}
		return load(store)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is neither a file nor a folder")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	store, err := openTar(file, info.Size(), file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return load(store)
}

// OpenReaderAt opens a bundle's tar that is not a file, with its size in bytes.
func OpenReaderAt(reader io.ReaderAt, size int64) (*Bundle, error) {
	store, err := openTar(reader, size, nil)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	bundle, err := load(store)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return bundle, nil
}

// load reads what a bundle needs to answer. It closes the store on an error.
func load(store store) (*Bundle, error) {
	bundle := &Bundle{store: store}
	bundle.deltas = sync.OnceValues(bundle.readDeltas)
	bundle.bases = sync.OnceValues(bundle.readBases)
	if err := bundle.load(); err != nil {
		return nil, errors.Join(err, store.close())
	}
	return bundle, nil
}

func (b *Bundle) load() error {
	content, err := readSmall(b.store, NameIndex, MaxIndexSize)
	if err != nil {
		return err
	}
	if b.index, err = ParseIndex(content); err != nil {
		return err
	}
	b.digest, b.rawIndex = hashOf(content), content
	if b.signatures, err = readSignatures(b.store, content); err != nil {
		return err
	}
	if b.rawTable, err = readSmall(b.store, NameBlobs, maxTable); err != nil {
		return err
	}
	if b.table, err = parseTable(b.rawTable); err != nil {
		return err
	}
	if b.table.index != b.digest {
		return fmt.Errorf("%s: it belongs to another %s, with digest %s", NameBlobs, NameIndex, b.table.index)
	}
	b.sizes = make(map[v1.Hash]int64, len(b.table.rows))
	for _, row := range b.table.rows {
		b.sizes[row.hash()] = row.size
	}
	return b.checkEntries()
}

// checkEntries compares the entries with what index.json lists.
func (b *Bundle) checkEntries() error {
	for _, name := range slices.Sorted(maps.Keys(modes)) {
		found, there := b.store.stat(name)
		listed, known := b.index.Entries[name]
		switch {
		case !coveredByIndex(name):
		case there && !known:
			return fmt.Errorf("entry %s: it does not belong to the bundle: %s does not list it", name, NameIndex)
		case known && !there:
			return fmt.Errorf("entry %s: is missing", name)
		case known && found.Size != listed.Size:
			return fmt.Errorf("entry %s: has %d bytes instead of %d", name, found.Size, listed.Size)
		}
	}
	return nil
}

// readSmall reads an entry whose digest is not known.
func readSmall(store store, name string, limit int64) ([]byte, error) {
	blob, err := store.open(name)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	if blob.Size() > limit {
		return nil, fmt.Errorf("entry %s: has %d bytes, at most %d are allowed", name, blob.Size(), limit)
	}
	content := make([]byte, blob.Size())
	if _, err := io.ReadFull(blob, content); err != nil {
		return nil, fmt.Errorf("entry %s: %w", name, err)
	}
	return content, nil
}

// Close closes the bundle; blobs that are open stay so where they are files of
// their own, and fail otherwise.
func (b *Bundle) Close() error { return b.store.close() }

// Index returns what index.json says. It must not be changed.
func (b *Bundle) Index() *Index { return b.index }

// Digest is that of index.json, which identifies the bundle.
func (b *Bundle) Digest() v1.Hash { return b.digest }

// Manifest returns app.yaml.
func (b *Bundle) Manifest() ([]byte, error) { return b.ReadEntry(NameManifest) }

// Entries lists the entries that index.json lists, by name.
func (b *Bundle) Entries() []Entry {
	var entries []Entry
	for _, name := range slices.Sorted(maps.Keys(b.index.Entries)) {
		entries = append(entries, b.index.Entries[name])
	}
	return entries
}

// Blobs lists the digests of all blobs with their sizes in bytes.
func (b *Bundle) Blobs() map[v1.Hash]int64 { return maps.Clone(b.sizes) }

// Size is the sum of the sizes of all blobs and of the entries that index.json
// lists, in bytes.
func (b *Bundle) Size() int64 {
	var size int64
	for _, length := range b.sizes {
		size += length
	}
	for _, entry := range b.index.Entries {
		size += entry.Size
	}
	return size
}

// OpenEntry opens an entry that index.json lists. Reading it to the end fails
// if it is not what index.json says.
func (b *Bundle) OpenEntry(name string) (io.ReadCloser, error) {
	entry, ok := b.index.Entries[name]
	if !ok {
		return nil, fmt.Errorf("bundle: entry %s: %w", name, fs.ErrNotExist)
	}
	blob, err := b.store.open(name)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return verified{newChecked(blob, "entry "+name, entry.Digest)}, nil
}

// ReadEntry reads and checks an entry of a few megabytes at most.
func (b *Bundle) ReadEntry(name string) ([]byte, error) {
	entry, err := b.OpenEntry(name)
	if err != nil {
		return nil, err
	}
	defer entry.Close()
	content, err := io.ReadAll(io.LimitReader(entry, MaxManifestSize+1))
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if len(content) > MaxManifestSize {
		return nil, fmt.Errorf("bundle: entry %s: more than %d bytes", name, MaxManifestSize)
	}
	return content, nil
}

// Blob opens a blob for reading at any place, without checks of its contents.
// The error is fs.ErrNotExist if the bundle does not have it.
func (b *Bundle) Blob(digest v1.Hash) (*Blob, error) {
	size, ok := b.sizes[digest]
	if !ok {
		return nil, fmt.Errorf("bundle: blob %s: %w", digest, fs.ErrNotExist)
	}
	blob, err := b.store.open(blobName(digest.Hex))
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if blob.Size() != size {
		_ = blob.Close()
		return nil, fmt.Errorf("bundle: blob %s: has %d bytes instead of %d", digest, blob.Size(), size)
	}
	return blob, nil
}

// ReadManifest reads and checks a blob of a few megabytes at most: a manifest,
// an index or a configuration.
func (b *Bundle) ReadManifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	content, err := readBlob(ctx, b, digest, b.sizes[digest])
	if err != nil {
		return nil, fmt.Errorf("bundle: blob %s: %w", digest, err)
	}
	return content, nil
}
