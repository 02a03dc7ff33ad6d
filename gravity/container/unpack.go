package container

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

const (
	// maxEntries and maxUnpacked bound what one root file system may have.
	maxEntries  = 500_000
	maxUnpacked = 8 << 30

	annotationUncompressed = "dev.gravity.uncompressed"
	// windowSize bounds the memory of a layer's decompression, in bytes.
	windowSize = 128 << 20
)

// Unpack makes the root file system of a runtime in a folder, from the image of
// its master container in the package store. The folder appears when it is
// complete and on disk; if it is there already, nothing is done.
func Unpack(ctx context.Context, from *store.Store, version, rootfs string) error {
	if _, err := os.Stat(rootfs); err == nil {
		return nil
	}
	layers, err := masterLayers(ctx, from, version)
	if err != nil {
		return fmt.Errorf("unpack the master container of %s: %w", version, err)
	}
	partial := rootfs + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	if err := bundle.CheckSpace(partial, "the master container of "+version, unpackedSize(layers)); err != nil {
		return err
	}
	root, err := os.OpenRoot(partial)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{root: root}
	for _, layer := range layers {
		if err := u.layer(ctx, from, layer); err != nil {
			return fmt.Errorf("unpack the master container of %s: layer %s: %w", version, layer.Digest, err)
		}
	}
	if err := syncFileSystem(partial); err != nil {
		return err
	}
	return os.Rename(partial, rootfs)
}

func masterLayers(ctx context.Context, from *store.Store, version string) ([]v1.Descriptor, error) {
	digest, err := from.Resolve(runtime.MasterReference(version))
	if err != nil {
		return nil, err
	}
	content, err := from.ReadManifest(ctx, digest)
	if err != nil {
		return nil, err
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(content, &manifest); err != nil {
		return nil, err
	}
	if len(manifest.Layers) == 0 {
		return nil, errors.New("it has no layers")
	}
	return manifest.Layers, nil
}

func unpackedSize(layers []v1.Descriptor) (size int64) {
	for _, layer := range layers {
		if length, err := strconv.ParseInt(layer.Annotations[annotationUncompressed], 10, 64); err == nil && length > 0 {
			size += length
		} else {
			size += 4 * layer.Size
		}
	}
	return size
}

// unpacker writes layers into a folder that nothing leads out of: os.Root
// refuses paths and links that do.
type unpacker struct {
	root    *os.Root
	entries int
	bytes   int64
}

func (u *unpacker) layer(ctx context.Context, from *store.Store, layer v1.Descriptor) error {
	blob, err := from.Open(ctx, layer.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	stream, err := decompress(blob, string(layer.MediaType))
	if err != nil {
		return err
	}
	defer stream.Close()
	return u.extract(ctx, stream)
}

// decompress undoes what a layer's media type names.
func decompress(blob io.Reader, mediaType string) (io.ReadCloser, error) {
	if !strings.HasSuffix(mediaType, "+zstd") {
		return io.NopCloser(blob), nil
	}
	decoder, err := zstd.NewReader(blob, zstd.WithDecoderMaxWindow(windowSize))
	if err != nil {
		return nil, err
	}
	return decoder.IOReadCloser(), nil
}

func (u *unpacker) extract(ctx context.Context, stream io.Reader) error {
	archive := tar.NewReader(stream)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if u.entries++; u.entries > maxEntries {
			return fmt.Errorf("more than %d files", maxEntries)
		}
		if u.bytes += header.Size; header.Size < 0 || u.bytes > maxUnpacked {
			return fmt.Errorf("more than %d bytes", int64(maxUnpacked))
		}
		if err := u.entry(header, archive); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

const whiteout = ".wh."

// entry makes one file, in place of what a lower layer has there.
func (u *unpacker) entry(header *tar.Header, content io.Reader) error {
	name := filepath.FromSlash(strings.TrimPrefix(path.Clean("/"+header.Name), "/"))
	if name == "" {
		return nil
	}
	folder, base := filepath.Split(name)
	if folder != "" {
		if err := u.root.MkdirAll(filepath.Clean(folder), 0o755); err != nil {
			return err
		}
	}
	if removed, ok := strings.CutPrefix(base, whiteout); ok {
		if removed == ".wh..opq" {
			return u.empty(filepath.Clean(folder))
		}
		return u.root.RemoveAll(filepath.Join(folder, removed))
	}
	if header.Typeflag == tar.TypeDir {
		return u.directory(name, header)
	}
	if err := u.root.RemoveAll(name); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg:
		return u.file(name, header, content)
	case tar.TypeSymlink:
		if err := u.root.Symlink(header.Linkname, name); err != nil {
			return err
		}
		return u.root.Lchown(name, header.Uid, header.Gid)
	case tar.TypeLink:
		target := filepath.FromSlash(strings.TrimPrefix(path.Clean("/"+header.Linkname), "/"))
		return u.root.Link(target, name)
	}
	return fmt.Errorf("a file of type %q is not expected", header.Typeflag)
}

// directory makes a folder; a link to a folder, which a lower layer has, stays.
func (u *unpacker) directory(name string, header *tar.Header) error {
	info, err := u.root.Stat(name)
	switch {
	case err == nil && info.IsDir():
		if link, err := u.root.Lstat(name); err == nil && link.Mode()&fs.ModeSymlink != 0 {
			return nil
		}
	case err == nil:
		if err := u.root.RemoveAll(name); err != nil {
			return err
		}
		fallthrough
	default:
		if err := u.root.Mkdir(name, 0o755); err != nil {
			return err
		}
	}
	if err := u.root.Chown(name, header.Uid, header.Gid); err != nil {
		return err
	}
	return u.root.Chmod(name, mode(header))
}

func (u *unpacker) file(name string, header *tar.Header, content io.Reader) (err error) {
	file, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	// The owner first: a change of it takes setuid bits and capabilities away.
	if err := file.Chown(header.Uid, header.Gid); err != nil {
		return err
	}
	if err := file.Chmod(mode(header)); err != nil {
		return err
	}
	return setAttributes(file, header.PAXRecords)
}

// mode has the permissions with setuid, setgid and sticky bits.
func mode(header *tar.Header) fs.FileMode {
	return header.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
}

// empty removes what lower layers have in a folder.
func (u *unpacker) empty(name string) error {
	folder, err := u.root.Open(name)
	if err != nil {
		return err
	}
	names, err := folder.Readdirnames(-1)
	if err = errors.Join(err, folder.Close()); err != nil {
		return err
	}
	for _, child := range names {
		if err := u.root.RemoveAll(filepath.Join(name, child)); err != nil {
			return err
		}
	}
	return nil
}
