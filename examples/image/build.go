package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// user is who programs run as, by number, since names are not in every image.
const user = "65532:65532"

// path is where programs are looked for: the ledger's before others.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// modified is the time of every file: that of nothing.
var modified = time.Unix(0, 0).UTC()

// builder builds all images.
type builder struct {
	options Options
	runtime *runtimeLayers
	layout  *layout
	key     string
}

// wanted is an image to assemble.
type wanted struct {
	name, version string
	layers        []layer
	entrypoint    []string
	command       []string
}

func (b *builder) build(ctx context.Context) error {
	// Beside the layout, so that what a killed build left is removed by the next.
	work := b.options.Layout + ".partial"
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	programs := make(map[string]layer)
	for _, version := range versions {
		_, _ = fmt.Fprintf(b.options.Log, "compile ledger %s\n", version)
		made, err := b.program(ctx, work, version)
		if err != nil {
			return err
		}
		programs[version] = made
	}
	shared := b.runtime.layers
	images := []wanted{
		{
			name: "etcd", version: b.runtime.etcd, layers: []layer{shared["base"], shared["etcd"], programs[hookVersion]},
			entrypoint: []string{"/usr/local/bin/ledger", "member"},
		},
		{
			name: "hook", version: hookVersion, command: []string{"/bin/sh"},
			layers: []layer{shared["base"], shared["system"], shared["etcd"], programs[hookVersion]},
		},
	}
	for _, version := range versions {
		images = append(images, wanted{
			name: "ledger", version: version, layers: []layer{programs[version]},
			entrypoint: []string{"/usr/local/bin/ledger"}, command: []string{"serve"},
		})
	}
	var manifests []v1.Descriptor
	for _, image := range images {
		descriptor, err := b.put(image)
		if err != nil {
			return err
		}
		manifests = append(manifests, descriptor)
	}
	return b.layout.set(manifests)
}

// program compiles the ledger program into a layer.
func (b *builder) program(ctx context.Context, work, version string) (layer, error) {
	executable := filepath.Join(work, "ledger-"+version)
	if err := compile(ctx, b.options.Source, version, executable); err != nil {
		return layer{}, err
	}
	blob := executable + ".tar.zst"
	made, size, err := pack(executable, blob)
	if err != nil {
		return layer{}, fmt.Errorf("pack ledger %s: %w", version, err)
	}
	made.descriptor.Annotations = map[string]string{
		runtime.AnnotationLayer: "ledger", runtime.AnnotationComponents: "ledger=" + version,
		"dev.gravity.uncompressed": fmt.Sprint(size),
	}
	return made, nil
}

// pack writes a layer with one program. It compresses in one thread, as what
// several write may depend on their number.
func pack(executable, blob string) (made layer, size int64, err error) {
	target, err := os.Create(blob)
	if err != nil {
		return layer{}, 0, err
	}
	defer func() { _ = target.Close() }()
	if err := target.Chmod(0o644); err != nil { // whatever the umask
		return layer{}, 0, err
	}
	compressed, plain := sha256.New(), sha256.New()
	encoder, err := zstd.NewWriter(io.MultiWriter(target, compressed), zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return layer{}, 0, err
	}
	counter := &counter{w: io.MultiWriter(encoder, plain)}
	if err := writeTar(counter, executable); err != nil {
		return layer{}, 0, err
	}
	if err := encoder.Close(); err != nil {
		return layer{}, 0, err
	}
	info, err := target.Stat()
	if err != nil {
		return layer{}, 0, err
	}
	return layer{
		descriptor: v1.Descriptor{MediaType: types.OCILayerZStd, Digest: hashOf(compressed), Size: info.Size()},
		diffID:     hashOf(plain), path: blob,
	}, counter.bytes, nil
}

func writeTar(w io.Writer, executable string) error {
	archive := tar.NewWriter(w)
	for _, folder := range []string{"usr/", "usr/local/", "usr/local/bin/"} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o755, ModTime: modified, Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
	}
	file, err := os.Open(executable)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: "usr/local/bin/ledger", Mode: 0o755, Size: info.Size(), ModTime: modified, Format: tar.FormatPAX}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	if _, err := io.Copy(archive, file); err != nil {
		return err
	}
	return archive.Close()
}

// counter counts what is written.
type counter struct {
	w     io.Writer
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.bytes += int64(n)
	return n, err
}

// put writes an image into the layout and returns its descriptor.
func (b *builder) put(image wanted) (v1.Descriptor, error) {
	name := prefix + image.name + ":" + image.version
	labels := map[string]string{"org.opencontainers.image.title": image.name, "org.opencontainers.image.version": image.version}
	created := v1.Time{Time: modified}
	config := v1.ConfigFile{
		OS: "linux", Architecture: "amd64", Created: created,
		Config: v1.Config{Env: []string{path}, User: user, WorkingDir: "/", Entrypoint: image.entrypoint, Cmd: image.command, Labels: labels},
		RootFS: v1.RootFS{Type: "layers"},
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: labels}
	for _, from := range image.layers {
		if err := b.layout.putLayer(from); err != nil {
			return v1.Descriptor{}, fmt.Errorf("image %s: %w", name, err)
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, from.diffID)
		config.History = append(config.History, v1.History{Created: created, CreatedBy: "gravity examples", Comment: from.descriptor.Annotations[runtime.AnnotationComponents]})
		manifest.Layers = append(manifest.Layers, from.descriptor)
	}
	var err error
	if manifest.Config, err = b.layout.putJSON(types.OCIConfigJSON, config); err != nil {
		return v1.Descriptor{}, fmt.Errorf("image %s: %w", name, err)
	}
	descriptor, err := b.layout.putJSON(types.OCIManifestSchema1, manifest)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("image %s: %w", name, err)
	}
	descriptor.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	descriptor.Annotations = map[string]string{
		refName: name, containerdName: name, runtime.AnnotationRecipe: b.key, "org.opencontainers.image.version": image.version,
	}
	return descriptor, nil
}
