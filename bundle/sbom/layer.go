package sbom

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// Limits of what is read of a layer.
const (
	// maxLayer is how many bytes of tar a layer may have.
	maxLayer = 64 << 30
	// maxEntries is how many entries the tar may have.
	maxEntries = 5_000_000
	// maxDatabase is the largest database of packages.
	maxDatabase = 64 << 20
	// maxWindow is how much memory a layer of zstd may ask for.
	maxWindow = 128 << 20
	// maxFound is how many files and whiteouts of a layer count.
	maxFound = 100_000
)

const (
	dpkgStatus  = "var/lib/dpkg/status"
	dpkgFolder  = "var/lib/dpkg/status.d" // of images without dpkg, a file for each package
	whiteout    = ".wh."
	opaque      = ".wh..wh..opq"
	osRelease   = "etc/os-release"
	osReleaseOf = "usr/lib/os-release" // what the one above is a link to
)

// apkDatabases are the places of apk's database, now and later.
var apkDatabases = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}

// watched are the paths whose disappearance matters; all below dpkgFolder does,
// too.
var watched = append([]string{dpkgStatus, dpkgFolder, osRelease, osReleaseOf}, apkDatabases...)

// layerFacts is what a layer tells about packages.
type layerFacts struct {
	// Removed are paths that the layer removes from those below it, with all
	// that is in them; Emptied are folders of which it removes the contents.
	Removed []string `json:"removed,omitempty"`
	Emptied []string `json:"emptied,omitempty"`
	// Files are the files of this layer.
	Files map[string]fileFacts `json:"files,omitempty"`
}

// fileFacts is what one file tells.
type fileFacts struct {
	Installed []Installed `json:"installed,omitempty"`
	// Distribution and Release are of os-release, such as "debian" and "12".
	Distribution string `json:"distribution,omitempty"`
	Release      string `json:"release,omitempty"`
}

func damaged(digest v1.Hash) error {
	return &bundle.DamagedError{Digest: digest, Err: errors.New("the contents do not match the digest")}
}

// readLayer reads a layer to its end and checks it.
func readLayer(ctx context.Context, source bundle.BlobSource, layer v1.Descriptor) (*layerFacts, error) {
	blob, err := source.Open(ctx, layer.Digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	hasher := sha256.New()
	whole := io.TeeReader(&canceling{ctx, blob}, hasher)
	facts, err := readCompressed(whole)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if _, drained := io.Copy(io.Discard, whole); drained != nil {
		return nil, drained
	}
	// What is damaged may fail in many ways; that it is damaged is the cause.
	if hex.EncodeToString(hasher.Sum(nil)) != layer.Digest.Hex {
		return nil, damaged(layer.Digest)
	}
	return facts, err
}

// canceling ends a reader with its context.
type canceling struct {
	ctx context.Context //nolint:containedctx // of this reader only
	io.Reader
}

func (c *canceling) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.Reader.Read(p)
}

// readCompressed reads a tar that is compressed by gzip, zstd or not at all,
// whatever its media type says.
func readCompressed(from io.Reader) (*layerFacts, error) {
	buffered := bufio.NewReaderSize(from, 1<<20)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var plain io.Reader = buffered
	switch {
	case strings.HasPrefix(string(magic), "\x1f\x8b"):
		reader, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		plain = reader
	case string(magic) == "\x28\xb5\x2f\xfd", len(magic) == 4 && magic[0]&0xf0 == 0x50 && string(magic[1:]) == "\x2a\x4d\x18":
		reader, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		plain = reader
	}
	return readTar(&io.LimitedReader{R: plain, N: maxLayer})
}

// readTar collects what a layer tells.
func readTar(from io.Reader) (*layerFacts, error) {
	facts := &layerFacts{Files: map[string]fileFacts{}}
	reader := tar.NewReader(from)
	for range maxEntries {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return facts, nil
		}
		if err != nil {
			return nil, err
		}
		if err := facts.entry(header, reader); err != nil {
			return nil, fmt.Errorf("file %.200q: %w", header.Name, err)
		}
		if len(facts.Files)+len(facts.Removed)+len(facts.Emptied) > maxFound {
			return nil, errors.New("it has too many files of packages")
		}
	}
	return nil, fmt.Errorf("it has more than %d entries", maxEntries)
}

// entry looks at an entry of the tar.
func (f *layerFacts) entry(header *tar.Header, content io.Reader) error {
	clean := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
	folder, base := path.Split(clean)
	folder = strings.TrimSuffix(folder, "/")
	switch {
	case base == opaque:
		f.empty(folder)
		return nil
	case strings.HasPrefix(base, whiteout):
		f.remove(path.Join(folder, strings.TrimPrefix(base, whiteout)))
		return nil
	case header.Typeflag == tar.TypeDir:
		if interesting(clean) && clean != dpkgFolder {
			f.remove(clean) // a file became a folder
		}
		return nil
	case header.Typeflag == tar.TypeLink:
		target := strings.TrimPrefix(path.Clean("/"+header.Linkname), "/")
		if file, ok := f.Files[target]; ok && interesting(clean) {
			f.Files[clean] = file
		}
		return nil
	case header.Typeflag != tar.TypeReg || !interesting(clean):
		f.remove(clean) // what was there, or below it, is replaced
		return nil
	}
	file, err := readFile(clean, io.LimitReader(content, maxDatabase), header.Size)
	if err != nil {
		return err
	}
	f.Files[clean] = file
	return nil
}

// readFile reads a file that tells something.
func readFile(name string, content io.Reader, size int64) (file fileFacts, err error) {
	if size > maxDatabase {
		return fileFacts{}, fmt.Errorf("%d bytes, at most %d", size, maxDatabase)
	}
	switch {
	case name == osRelease || name == osReleaseOf:
		return parseRelease(content)
	case strings.HasPrefix(name, "var/"):
		file.Installed, err = parseDpkg(content)
	default:
		file.Installed, err = parseApk(content)
	}
	return file, err
}

// interesting tells which files are read.
func interesting(name string) bool {
	if slices.Contains(watched, name) {
		return true
	}
	folder, base := path.Split(name)
	return folder == dpkgFolder+"/" && !strings.HasSuffix(base, ".md5sums")
}

// matters tells whether something that counts is at a path or below it.
func matters(name string) bool {
	for _, one := range watched {
		if one == name || strings.HasPrefix(one, name+"/") || name == "" {
			return true
		}
	}
	return strings.HasPrefix(name, dpkgFolder+"/")
}

func (f *layerFacts) remove(name string) {
	if matters(name) {
		f.Removed = append(f.Removed, name)
	}
}

func (f *layerFacts) empty(folder string) {
	if matters(folder) {
		f.Emptied = append(f.Emptied, folder)
	}
}

// over puts a layer on top of the files of those below it.
func (f *layerFacts) over(files map[string]fileFacts) {
	for name := range files {
		for _, removed := range f.Removed {
			if name == removed || strings.HasPrefix(name, removed+"/") {
				delete(files, name)
			}
		}
		for _, folder := range f.Emptied {
			if folder == "" || strings.HasPrefix(name, folder+"/") {
				delete(files, name)
			}
		}
	}
	maps.Copy(files, f.Files)
}
