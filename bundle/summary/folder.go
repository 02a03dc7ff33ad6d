package summary

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// maxWindow bounds the memory that unpacking takes, in bytes.
const maxWindow = 64 << 20

// compareFolders compares the files of the applications' folders. Nothing is
// read if the folders are the same.
func compareFolders(ctx context.Context, before, after *bundle.Bundle) (report.Names, error) {
	none := compareNames(nil, nil)
	old, err := newTree(before).folderLayer(ctx)
	if err != nil {
		return none, err
	}
	current, err := newTree(after).folderLayer(ctx)
	if err != nil {
		return none, err
	}
	if old == nil && current == nil || old != nil && current != nil && old.Digest == current.Digest {
		return none, nil
	}
	was, err := files(ctx, before)
	if err != nil {
		return none, fmt.Errorf("%s %s: %w", before.Index().Name, before.Index().Version, err)
	}
	is, err := files(ctx, after)
	if err != nil {
		return none, fmt.Errorf("%s %s: %w", after.Index().Name, after.Index().Version, err)
	}
	return compareNames(was, is), nil
}

// files has what identifies each file of the application's folder, by name:
// kind, permissions, and contents or target.
func files(ctx context.Context, b *bundle.Bundle) (map[string]string, error) {
	layer, err := newTree(b).folderLayer(ctx)
	if err != nil || layer == nil {
		return nil, err
	}
	if layer.MediaType != bundle.ResourcesMediaType {
		return nil, fmt.Errorf("layer %s: media type %q is unknown", layer.Digest, layer.MediaType)
	}
	blob, err := b.Open(ctx, layer.Digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	unpacked, err := zstd.NewReader(cancellable(ctx, blob),
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", layer.Digest, err)
	}
	defer unpacked.Close()
	found, err := list(tar.NewReader(unpacked))
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", layer.Digest, err)
	}
	return found, nil
}

func list(reader *tar.Reader) (map[string]string, error) {
	found := make(map[string]string)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		if header.Typeflag == tar.TypeDir {
			continue
		}
		hasher := sha256.New()
		if _, err := io.Copy(hasher, reader); err != nil {
			return nil, fmt.Errorf("file %s: %w", name, err)
		}
		found[name] = fmt.Sprintf("%c %o %q %x", header.Typeflag, header.Mode, header.Linkname, hasher.Sum(nil))
	}
}

// readerFunc is a function that reads.
type readerFunc func(p []byte) (int, error)

// Read calls the function.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// cancellable is a reader that fails when ctx is done.
func cancellable(ctx context.Context, reader io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return reader.Read(p)
	})
}
