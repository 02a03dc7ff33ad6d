package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Cache is a folder of blobs by digest, which several processes may use at
// once. It is a bundle.BlobSource. From its first use until Close, nobody prunes
// it.
type Cache struct {
	folder string
	// inUse is locked shared by who uses the cache, and exclusively to prune it.
	inUse *flock.Flock
	// sums are those of blobs that were checked here, by their digests. Another
	// process may have written what else there is, and a power failure may have
	// damaged it.
	sums sync.Map
	seed maphash.Seed
}

var _ bundle.BlobSource = (*Cache)(nil)

// TagName is a file that says, by TagSignature at its start, that its folder is a
// cache (https://bford.info/cachedir).
const (
	TagName      = "CACHEDIR.TAG"
	TagSignature = "Signature: 8a477f597d28d172789f06886806bc55"
)

// OpenCache returns the cache in a folder, which is made if it is missing. The
// caller closes it in the end.
func OpenCache(folder string) (*Cache, error) {
	c := &Cache{folder: folder, inUse: newLock(filepath.Join(folder, "lock")), seed: maphash.MakeSeed()}
	for _, name := range []string{"blobs/sha256", "partial"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o755); err != nil {
			return nil, fmt.Errorf("open cache: %w", err)
		}
	}
	tag := filepath.Join(folder, TagName)
	if _, err := os.Stat(tag); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(tag, []byte(TagSignature+"\n# This is a cache of images. Whoever makes backups may leave it out.\n"), 0o644); err != nil {
			return nil, diskError(fmt.Errorf("open cache: %w", err))
		}
	}
	return c, nil
}

// Close says that the cache is not used for now, so that it may be pruned. The
// next use opens it again.
func (c *Cache) Close() error { return c.inUse.Close() }

// use keeps others from pruning the cache until Close.
func (c *Cache) use(ctx context.Context) error {
	_, err := c.inUse.TryRLockContext(ctx, 50*time.Millisecond)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return diskError(fmt.Errorf("lock %s: %w", c.inUse.Path(), err))
	}
	return nil
}

func newLock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644))
}

// Open opens the file of a blob.
func (c *Cache) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if err := c.use(ctx); err != nil {
		return nil, err
	}
	file, err := os.Open(c.path(digest))
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil {
		touch(file.Name(), info)
	}
	if sum, ok := c.sums.Load(digest); ok {
		return &vouched{File: file, seed: c.seed, sum: sum.(uint64)}, nil //nolint:forcetypeassert // nothing else is stored
	}
	return file, nil
}

// vouched is a blob that was checked by this process when it was written.
type vouched struct {
	*os.File
	seed maphash.Seed
	sum  uint64
}

// Vouch returns the sum that the blob had.
func (v *vouched) Vouch() (maphash.Seed, uint64) { return v.seed, v.sum }

// FileRange lets a bundle share blocks with the file.
func (v *vouched) FileRange() (file *os.File, offset, length int64) {
	info, err := v.Stat()
	if err != nil {
		return nil, 0, 0
	}
	return v.File, 0, info.Size()
}

// touch notes that a file is used. Nothing depends on every use being noted.
func touch(path string, info os.FileInfo) {
	if now := time.Now(); now.Sub(info.ModTime()) > time.Hour {
		_ = os.Chtimes(path, now, now)
	}
}

func (c *Cache) path(digest v1.Hash) string {
	return filepath.Join(c.folder, "blobs", digest.Algorithm, digest.Hex)
}

func (c *Cache) partial(digest v1.Hash) string {
	return filepath.Join(c.folder, "partial", digest.Hex+".partial")
}

// has says whether the cache has a blob of a size.
func (c *Cache) has(descriptor v1.Descriptor) bool {
	path := c.path(descriptor.Digest)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != descriptor.Size {
		return false
	}
	touch(path, info)
	return true
}

// begun returns how much of a blob an earlier process left, in bytes.
func (c *Cache) begun(descriptor v1.Descriptor) int64 {
	info, err := os.Stat(c.partial(descriptor.Digest))
	if err != nil {
		return 0
	}
	return info.Size()
}

// manifest reads a small blob and checks it; it returns nil if the cache does
// not have it.
func (c *Cache) manifest(digest v1.Hash) ([]byte, error) {
	file, err := os.Open(c.path(digest))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, MaxManifestSize+1))
	if err != nil {
		return nil, err
	}
	if check(content, digest) != nil {
		return nil, nil // damaged; it is fetched again and replaced
	}
	if info, err := file.Stat(); err == nil {
		touch(file.Name(), info)
	}
	return content, nil
}

// put keeps a small blob that was checked.
func (c *Cache) put(digest v1.Hash, content []byte) error {
	file, err := os.CreateTemp(filepath.Join(c.folder, "partial"), "manifest-")
	if err != nil {
		return diskError(err)
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), c.path(digest))
	}
	if err != nil {
		return diskError(errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

// check tells whether contents are what their digest says.
func check(content []byte, digest v1.Hash) error {
	if len(content) > MaxManifestSize {
		return fmt.Errorf("manifest has more than %d bytes", MaxManifestSize)
	}
	actual, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return err
	}
	if actual != digest {
		return fmt.Errorf("the contents have the digest %s instead of %s", actual, digest)
	}
	return nil
}

// lock gives the partial file of a blob to the caller alone. Whoever had it
// before may have renamed or removed it meanwhile, so what is locked must still
// be what has the name.
func (c *Cache) lock(ctx context.Context, digest v1.Hash) (*flock.Flock, error) {
	path := c.partial(digest)
	for {
		lock := newLock(path)
		if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, diskError(fmt.Errorf("lock %s: %w", path, err))
		}
		locked, err := lock.Stat()
		if err == nil {
			var named os.FileInfo
			if named, err = os.Stat(path); err == nil && os.SameFile(locked, named) {
				return lock, nil
			}
		}
		if closeErr := lock.Close(); closeErr != nil {
			return nil, closeErr
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
}

// commit names a complete file by its digest. It does not wait for the disk: who
// uses a blob checks it, and one that a power failure left damaged is dropped
// and fetched again. Names of a killed process are as good as others.
func (c *Cache) commit(file *os.File, digest v1.Hash) error {
	return diskError(os.Rename(file.Name(), c.path(digest)))
}

// diskError says what to do about a full disk.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return cli.WithHint(fmt.Errorf("the disk of the cache is full: %w", err), "free space and repeat the command: it continues")
	}
	return err
}
