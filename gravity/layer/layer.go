// Package layer writes layers of images, and what else is packed as one, into
// folders: safely, whatever is in them.
package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxEntries and maxUnpacked bound what one folder may get.
	maxEntries  = 500_000
	maxUnpacked = 8 << 30
	// windowSize bounds the memory of a layer's decompression, in bytes.
	windowSize = 128 << 20
)

// Root is a folder that layers are written into, one over the other. Nothing
// leads out of it: os.Root refuses paths and links that do. It is for one
// goroutine.
type Root struct {
	root    *os.Root
	entries int
	bytes   int64
}

// Open opens a folder to extract layers into; the caller closes it.
func Open(folder string) (*Root, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	return &Root{root: root}, nil
}

// Close releases the folder.
func (u *Root) Close() error { return u.root.Close() }

// Extract writes a layer into the root, over what is there. The stream is
// decompressed as the layer's media type says; who calls vouches for it.
func (u *Root) Extract(ctx context.Context, blob io.Reader, mediaType string) error {
	stream, err := decompress(blob, mediaType)
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

func (u *Root) extract(ctx context.Context, stream io.Reader) error {
	archive := tar.NewReader(stream)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			// Sources that check what they give do so at its end.
			_, err := io.Copy(io.Discard, stream)
			return err
		}
		if err != nil {
			return err
		}
		if u.entries++; u.entries > maxEntries {
			return fmt.Errorf("more than %d files", maxEntries)
		}
		if header.Size < 0 || header.Size > maxUnpacked-u.bytes {
			return fmt.Errorf("more than %d bytes", int64(maxUnpacked))
		}
		u.bytes += header.Size
		if err := u.entry(header, archive); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

const whiteout = ".wh."

// entry makes one file, in place of what a lower layer has there.
func (u *Root) entry(header *tar.Header, content io.Reader) error {
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
func (u *Root) directory(name string, header *tar.Header) error {
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

func (u *Root) file(name string, header *tar.Header, content io.Reader) (err error) {
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
func (u *Root) empty(name string) error {
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
