package recipe

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// layer is a compressed layer in the cache.
type layer struct {
	Name string `json:"name"`
	// Components are "name=version" pairs, comma-separated.
	Components string `json:"components"`
	Digest     string `json:"digest"` // of the compressed bytes, "sha256:…"
	DiffID     string `json:"diffID"` // of the tar
	Size       int64  `json:"size"`
	TarSize    int64  `json:"tarSize"`

	path string
}

const (
	layerMediaType = types.OCILayerZStd
	layerFile      = "layer.tar.zst"
	layerRecord    = "layer.json"
)

// compressor is called in the build root. More than one thread gives the same
// bytes whatever the number of threads; one thread gives others.
var compressor = []string{"zstd", "-19", "-T2", "--no-progress", "-q", "-c"}

// makeLayer compresses what write writes. The key says what that depends on.
func (b *builder) makeLayer(ctx context.Context, name, components string, key []any, write func(io.Writer) error) (layer, error) {
	packages, err := b.lockedSet("build")
	if err != nil {
		return layer{}, err
	}
	key = append(key, name, components, packages, compressor, b.catalogue.SourceDate, codeOf("archive.go", "layers.go"))
	var root buildRoot
	prepare := func(ctx context.Context) (err error) {
		root, err = b.buildRoot(ctx)
		return err
	}
	folder, err := b.steps.do(ctx, "pack "+name, keyOf(key...), work{packLane, prepare, func(ctx context.Context, folder string) error {
		made, err := compressLayer(ctx, filepath.Join(folder, layerFile), write, root.compress)
		if err != nil {
			return err
		}
		made.Name, made.Components = name, components
		record, err := json.MarshalIndent(made, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, layerRecord), record, 0o644)
	}})
	if err != nil {
		return layer{}, err
	}
	return readLayer(folder)
}

// readLayer reads what the step of a layer left. A layer that something cut
// short is an error, since putting it into the layout would never end well.
func readLayer(folder string) (layer, error) {
	l := layer{path: filepath.Join(folder, layerFile)}
	content, err := os.ReadFile(filepath.Join(folder, layerRecord))
	if err == nil {
		err = json.Unmarshal(content, &l)
	}
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(l.path)
	}
	if err == nil && info.Size() != l.Size {
		err = fmt.Errorf("%s has %d bytes, not %d", l.path, info.Size(), l.Size)
	}
	if err != nil {
		return layer{}, cli.WithHint(fmt.Errorf("the cache is damaged: %w", err), "remove %s and run again", folder)
	}
	return l, nil
}

// compress runs the locked compressor on a stream.
func (r buildRoot) compress(ctx context.Context, plain io.Reader, packed io.Writer) error {
	return r.run(ctx, insideCommand{
		folder: "/", args: compressor, env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, stdin: plain, stdout: packed,
	})
}

// compressLayer streams the tar through the compressor, hashing both sides.
func compressLayer(ctx context.Context, path string, write func(io.Writer) error, compress func(context.Context, io.Reader, io.Writer) error) (layer, error) {
	file, err := os.Create(path)
	if err != nil {
		return layer{}, err
	}
	defer func() { _ = file.Close() }()
	plain, packed := newCountingHash(), newCountingHash()
	reader, writer := io.Pipe()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		buffered := bufio.NewWriterSize(io.MultiWriter(writer, plain), 1<<20)
		err := write(buffered)
		if err == nil {
			err = buffered.Flush()
		}
		_ = writer.CloseWithError(err) // always nil: the error is returned below
		return err
	})
	group.Go(func() error {
		err := compress(ctx, reader, io.MultiWriter(file, packed))
		_ = reader.CloseWithError(err) // ends the writer, whose output nobody reads now
		return err
	})
	if err := group.Wait(); err != nil {
		return layer{}, err
	}
	if plain.size == 0 || packed.size == 0 {
		return layer{}, fmt.Errorf("layer %s is empty", path)
	}
	if err := file.Close(); err != nil {
		return layer{}, err
	}
	return layer{Digest: packed.digest(), Size: packed.size, DiffID: plain.digest(), TarSize: plain.size}, nil
}

type countingHash struct {
	sum  hash.Hash
	size int64
}

func newCountingHash() *countingHash { return &countingHash{sum: sha256.New()} }

func (c *countingHash) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	return c.sum.Write(p)
}

func (c *countingHash) digest() string {
	return "sha256:" + hex.EncodeToString(c.sum.Sum(nil))
}
