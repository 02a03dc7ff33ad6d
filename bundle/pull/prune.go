package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// Check reads a blob and compares it with its digest. The error is a
// *bundle.DamagedError if it is another one, and fs.ErrNotExist if the cache
// does not have the blob.
func (c *Cache) Check(ctx context.Context, digest v1.Hash) error {
	blob, err := c.Open(ctx, digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	hasher, buffer := sha256.New(), make([]byte, 128<<10)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := blob.Read(buffer)
		hasher.Write(buffer[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if sum := hex.EncodeToString(hasher.Sum(nil)); sum != digest.Hex {
		return fmt.Errorf("blob %s: %w", digest, &bundle.DamagedError{Digest: digest, Err: fmt.Errorf("%w: it is sha256:%s", errDamaged, sum)})
	}
	return nil
}

// Drop removes a blob that is damaged, so that the next Pull fetches it again.
// It checks that first, since somebody else may have replaced it meanwhile: what
// is good stays, and what is not there is no error.
func (c *Cache) Drop(ctx context.Context, digest v1.Hash) error {
	if err := c.use(ctx); err != nil {
		return err
	}
	lock, err := c.lock(ctx, digest)
	if err != nil {
		return err
	}
	defer lock.Close()
	var damaged *bundle.DamagedError
	switch err = c.Check(ctx, digest); {
	case errors.As(err, &damaged):
		err = os.Remove(c.path(digest))
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if c.begun(v1.Descriptor{Digest: digest}) == 0 {
		err = errors.Join(err, os.Remove(c.partial(digest))) // the lock made it
	}
	return err
}

// ErrInUse says that a cache was not pruned since somebody uses it: a process
// that pulls or writes a bundle, or a Cache of this one that was not closed.
var ErrInUse = errors.New("the cache is in use")

// Pruning says what to remove from a cache; its zero value removes only what
// killed processes left and nobody continues.
type Pruning struct {
	// Unused removes blobs that were not used for that long; zero keeps them.
	Unused time.Duration
	// MaxBytes removes more, those first that were not used for longest, until
	// the cache has no more than that; zero for no limit.
	MaxBytes int64
}

// Pruned is what Prune removed.
type Pruned struct {
	// Blobs counts complete blobs and those that were begun.
	Blobs int
	// Bytes is the sum of their sizes.
	Bytes int64
}

// cached is a file of the cache.
type cached struct {
	path string
	size int64
	used time.Time
	// blob tells a complete blob, or one that was begun, from what only a killed
	// process can have left.
	blob bool
}

// Prune removes blobs. It is done by who has the cache alone; otherwise it
// removes nothing and returns ErrInUse.
func (c *Cache) Prune(ctx context.Context, pruning Pruning) (Pruned, error) {
	lock := newLock(c.inUse.Path())
	locked, err := lock.TryLock()
	if err != nil {
		return Pruned{}, fmt.Errorf("prune cache: lock %s: %w", lock.Path(), err)
	}
	defer lock.Close()
	if !locked {
		return Pruned{}, fmt.Errorf("prune cache %s: %w", c.folder, ErrInUse)
	}
	files, err := c.files()
	if err != nil {
		return Pruned{}, fmt.Errorf("prune cache: %w", err)
	}
	var total int64
	for _, file := range files {
		total += file.size
	}
	slices.SortFunc(files, func(a, b cached) int { return a.used.Compare(b.used) })
	var pruned Pruned
	now := time.Now()
	for _, file := range files {
		if ctx.Err() != nil {
			return pruned, fmt.Errorf("prune cache: %w", context.Cause(ctx))
		}
		old := pruning.Unused > 0 && now.Sub(file.used) > pruning.Unused
		much := pruning.MaxBytes > 0 && total > pruning.MaxBytes
		if file.blob && !old && !much {
			continue
		}
		if err := os.Remove(file.path); err != nil {
			return pruned, fmt.Errorf("prune cache: %w", err)
		}
		total -= file.size
		pruned.Bytes += file.size
		if file.blob {
			pruned.Blobs++
		}
	}
	return pruned, nil
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// files lists the files of the cache but its lock.
func (c *Cache) files() ([]cached, error) {
	var files []cached
	for _, folder := range []string{"blobs/sha256", "partial"} {
		entries, err := os.ReadDir(filepath.Join(c.folder, folder))
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil {
				return nil, err
			}
			if !info.Mode().IsRegular() {
				continue // nothing that this package made
			}
			files = append(files, cached{
				path: filepath.Join(c.folder, folder, entry.Name()), size: info.Size(), used: info.ModTime(),
				blob: hexDigest.MatchString(strings.TrimSuffix(entry.Name(), ".partial")),
			})
		}
	}
	return files, nil
}
