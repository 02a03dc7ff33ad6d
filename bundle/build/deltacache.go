package build

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/delta"
)

// deltaCache is a folder with deltas, by what they are made of and how. It is also
// the source of their blobs. Several builds may share it: files appear complete.
type deltaCache string

// cachedDelta is what the cache knows of a delta.
type cachedDelta struct {
	// Blob is the delta; a size of zero says that the layer itself is smaller.
	Blob v1.Descriptor `json:"blob"`
	// Size is the length of what it restores.
	Size int64 `json:"size"`
}

// key names the delta of two layers. What compresses deltas is part of it, since
// other versions of it give other bytes.
func (c deltaCache) key(base, layer v1.Hash) string {
	compressor := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/klauspost/compress" {
				compressor = module.Version
			}
		}
	}
	sum := sha256.Sum256([]byte(delta.Method + "\n" + compressor + "\n" + base.String() + "\n" + layer.String()))
	return filepath.Join(string(c), hex.EncodeToString(sum[:])+".json")
}

func (c deltaCache) blob(digest v1.Hash) string { return filepath.Join(string(c), digest.Hex) }

// Open opens a delta, as a source of blobs.
func (c deltaCache) Open(_ context.Context, digest v1.Hash) (io.ReadCloser, error) {
	return os.Open(c.blob(digest))
}

// get returns the delta that makes layer of base, and makes it if the cache has it
// not: then making is told first. Both are compressed, and in source. It returns
// nil if the layer itself is not larger.
func (c deltaCache) get(ctx context.Context, source bundle.BlobSource, base, layer v1.Descriptor, diffID v1.Hash, making func()) (*cachedDelta, error) {
	key := c.key(base.Digest, layer.Digest)
	known, err := c.read(key)
	if err != nil {
		making()
		if known, err = c.make(ctx, source, base, layer, diffID); err != nil {
			return nil, err
		}
		content, err := json.Marshal(known)
		if err != nil {
			return nil, err
		}
		if err := renameio.WriteFile(key, content, 0o644); err != nil {
			return nil, err
		}
	}
	if known.Blob.Size == 0 {
		return nil, nil
	}
	return known, nil
}

// read returns what the cache has; what is not complete is not there.
func (c deltaCache) read(key string) (*cachedDelta, error) {
	content, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	var known cachedDelta
	if err := json.Unmarshal(content, &known); err != nil {
		return nil, err
	}
	now := time.Now()
	if known.Blob.Size > 0 {
		info, err := os.Stat(c.blob(known.Blob.Digest))
		if err != nil {
			return nil, err
		}
		if info.Size() != known.Blob.Size {
			return nil, errors.New("cut short")
		}
		_ = os.Chtimes(c.blob(known.Blob.Digest), now, now) // only for prune
	}
	_ = os.Chtimes(key, now, now) // likewise
	return &known, nil
}

// drop forgets a delta that turned out to be damaged, and tells whether there was
// one.
func (c deltaCache) drop(digest v1.Hash) bool { return os.Remove(c.blob(digest)) == nil }

// prune removes what was not used for a time.
func (c deltaCache) prune(unused time.Duration) error {
	entries, err := os.ReadDir(string(c))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		info, statErr := entry.Info()
		if statErr == nil && time.Since(info.ModTime()) > unused {
			err = errors.Join(err, os.Remove(filepath.Join(string(c), entry.Name())))
		}
	}
	return err
}

// make makes a delta, restores it once, and puts it into the cache.
func (c deltaCache) make(ctx context.Context, source bundle.BlobSource, base, layer v1.Descriptor, diffID v1.Hash) (*cachedDelta, error) {
	if err := os.MkdirAll(string(c), 0o755); err != nil {
		return nil, err
	}
	from, err := c.expand(ctx, source, base)
	defer closeAll(from)
	if err != nil {
		return nil, err
	}
	to, err := c.expand(ctx, source, layer)
	defer closeAll(to)
	if err != nil {
		return nil, err
	}
	baseFile, err := fileOf(from)
	if err != nil {
		return nil, err
	}
	layerFile, err := fileOf(to)
	if err != nil {
		return nil, err
	}
	output, err := renameio.TempFile(string(c), filepath.Join(string(c), "delta"))
	if err != nil {
		return nil, err
	}
	defer output.Cleanup() //nolint:errcheck // nothing is left either way
	hasher := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(output, hasher), 1<<20)
	err = delta.Make(ctx, baseFile, layerFile, buffered)
	if errors.Is(err, delta.ErrTooDifferent) {
		return &cachedDelta{}, nil
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return nil, err
	}
	if err := check(output, baseFile, diffID); err != nil {
		return nil, err
	}
	info, err := output.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() >= layer.Size {
		return &cachedDelta{}, nil
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(hasher.Sum(nil))}
	if err := os.Chmod(output.Name(), 0o644); err != nil {
		return nil, err
	}
	if err := output.Sync(); err != nil {
		return nil, err
	}
	if err := os.Rename(output.Name(), c.blob(digest)); err != nil {
		return nil, err
	}
	return &cachedDelta{Blob: v1.Descriptor{MediaType: delta.MediaType, Digest: digest, Size: info.Size()}, Size: layerFile.Size}, nil
}

// check restores what was made, and compares it with what it must be.
func check(made io.ReaderAt, base delta.File, diffID v1.Hash) error {
	reader, err := delta.NewReader(io.NewSectionReader(made, 0, delta.MaxSize), io.NewSectionReader(base, 0, base.Size))
	if err != nil {
		return err
	}
	defer reader.Close()
	digest, _, err := v1.SHA256(reader)
	if err != nil {
		return err
	}
	if digest != diffID {
		return fmt.Errorf("it restores %s instead of %s, as the image's configuration says", digest, diffID)
	}
	return nil
}

// expand writes what a layer is without compression into a file that has no name.
func (c deltaCache) expand(ctx context.Context, source bundle.BlobSource, layer v1.Descriptor) (*os.File, error) {
	blob, err := source.Open(ctx, layer.Digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	hasher := sha256.New()
	decoder, err := zstd.NewReader(io.TeeReader(blob, hasher), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	file, err := unnamedFile(string(c))
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(file, io.LimitReader(decoder, delta.MaxSize+1))
	if err == nil && n > delta.MaxSize {
		err = fmt.Errorf("layer %s has more than %d bytes without compression", layer.Digest, int64(delta.MaxSize))
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(hasher.Sum(nil))}
	if digest != layer.Digest && (err == nil || ctx.Err() == nil) {
		err = &bundle.DamagedError{Digest: layer.Digest, Err: errors.Join(fmt.Errorf("it has the digest %s", digest), err)}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func fileOf(file *os.File) (delta.File, error) {
	info, err := file.Stat()
	if err != nil {
		return delta.File{}, err
	}
	return delta.File{ReaderAt: file, Size: info.Size()}, nil
}
