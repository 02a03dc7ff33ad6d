package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// seed makes all images equal from run to run.
const seed = 20

// tagged is a manifest that the registry is given, with what leads to it.
type tagged struct {
	repository, tag string
	mediaType       types.MediaType
	content         []byte
}

// maker writes the blobs of images into a folder, below their digests.
type maker struct {
	folder    string
	random    *rand.Rand
	chacha    *rand.ChaCha8
	manifests []tagged
	// names are the images, without the host.
	names []string
	// blobs counts the bytes of blobs, each once.
	blobs int64
}

func newMaker(folder string) (*maker, error) {
	chacha := rand.NewChaCha8([32]byte{seed})
	m := &maker{folder: folder, chacha: chacha, random: rand.New(chacha)}
	return m, os.MkdirAll(filepath.Join(folder, "sha256"), 0o755)
}

// realistic makes images of a shape that applications have: a few bases that
// they share, and one to four layers of their own. Half of what is in a layer
// can be compressed. The last image is an index of two platforms, of which one
// is pulled. size is how many bytes of blobs are pulled, about.
func (m *maker) realistic(images int, size int64) error {
	var bases [][]v1.Descriptor
	budget := size / 4
	for range 3 {
		base, err := m.layers(2, budget/3)
		if err != nil {
			return err
		}
		bases = append(bases, base)
	}
	own := (size - budget) / int64(images)
	for i := range images {
		added, err := m.layers(1+i%4, own*int64(60+16*(i%6))/100)
		if err != nil {
			return err
		}
		layers := append(append([]v1.Descriptor(nil), bases[i%3]...), added...)
		name := fmt.Sprintf("team%d/image%d", i%5, i)
		if err := m.image(name, layers, i == images-1); err != nil {
			return err
		}
	}
	return nil
}

// large makes images of one layer each, which is a file with holes.
func (m *maker) large(images int, size int64) error {
	for i := range images {
		layer, err := m.blob(func(file *os.File) error {
			if err := binaryHeader(m.chacha, file); err != nil {
				return err
			}
			return file.Truncate(size)
		})
		if err != nil {
			return err
		}
		layer.MediaType = types.OCIUncompressedLayer
		if err := m.image(fmt.Sprintf("large/image%d", i), []v1.Descriptor{layer}, false); err != nil {
			return err
		}
	}
	return nil
}

// binaryHeader makes a file differ from others.
func binaryHeader(from io.Reader, to io.Writer) error {
	_, err := io.CopyN(to, from, 4096)
	return err
}

// image adds an image or, with another platform beside it, an index.
func (m *maker) image(name string, layers []v1.Descriptor, index bool) error {
	manifest, err := m.manifest("amd64", layers)
	if err != nil {
		return err
	}
	if !index {
		return m.tag(name, "1.0", manifest)
	}
	other, err := m.layers(1, 1<<20)
	if err != nil {
		return err
	}
	arm, err := m.manifest("arm64", other)
	if err != nil {
		return err
	}
	listed := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for i, child := range [][]byte{manifest, arm} {
		described := describe(child, types.OCIManifestSchema1)
		described.Platform = &v1.Platform{OS: "linux", Architecture: []string{"amd64", "arm64"}[i]}
		listed.Manifests = append(listed.Manifests, described)
		m.manifests = append(m.manifests, tagged{name, described.Digest.String(), described.MediaType, child})
	}
	content, err := json.Marshal(listed)
	if err != nil {
		return err
	}
	m.manifests = append(m.manifests, tagged{name, "1.0", types.OCIImageIndex, content})
	m.names = append(m.names, name+":1.0")
	return nil
}

func (m *maker) tag(name, tag string, manifest []byte) error {
	m.manifests = append(m.manifests, tagged{name, tag, types.OCIManifestSchema1, manifest})
	m.names = append(m.names, name+":"+tag)
	return nil
}

// manifest makes an image manifest and its configuration.
func (m *maker) manifest(architecture string, layers []v1.Descriptor) ([]byte, error) {
	configuration := v1.ConfigFile{OS: "linux", Architecture: architecture, RootFS: v1.RootFS{Type: "layers"}}
	for _, layer := range layers {
		// Nobody unpacks the images, so any digest will do.
		configuration.RootFS.DiffIDs = append(configuration.RootFS.DiffIDs, layer.Digest)
	}
	content, err := json.Marshal(configuration)
	if err != nil {
		return nil, err
	}
	config, err := m.blob(func(file *os.File) error {
		_, err := file.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	config.MediaType = types.OCIConfigJSON
	return json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: layers})
}

// layers makes some layers that have a size together, compressed.
func (m *maker) layers(count int, size int64) ([]v1.Descriptor, error) {
	var made []v1.Descriptor
	for range count {
		layer, err := m.blob(func(file *os.File) error { return m.layer(file, 2*size/int64(count)) })
		if err != nil {
			return nil, err
		}
		layer.MediaType = types.OCILayer
		made = append(made, layer)
	}
	return made, nil
}

// layer writes a tar with files of some sizes, compressed by gzip.
func (m *maker) layer(file *os.File, size int64) error {
	compressed, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	// One half is noise, the other text.
	noise, text := make([]byte, 1<<19), make([]byte, 1<<19)
	for i := range text {
		text[i] = "kubernetes "[i%11]
	}
	for i := 0; size > 0; i++ {
		length := min(size, int64(4096+m.random.IntN(2<<20)))
		size -= length
		header := &tar.Header{Name: fmt.Sprintf("usr/lib/file%d", i), Mode: 0o644, Size: length, Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		for length > 0 {
			part := min((length+1)/2, int64(len(noise)))
			_, _ = m.chacha.Read(noise[:part])
			if _, err := archive.Write(noise[:part]); err != nil {
				return err
			}
			length -= part
			part = min(length, part)
			if _, err := archive.Write(text[:part]); err != nil {
				return err
			}
			length -= part
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

// blob writes a file and names it by its digest.
func (m *maker) blob(write func(file *os.File) error) (v1.Descriptor, error) {
	file, err := os.Create(filepath.Join(m.folder, "new"))
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer file.Close()
	if err := write(file); err != nil {
		return v1.Descriptor{}, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return v1.Descriptor{}, err
	}
	digest, size, err := v1.SHA256(bufio.NewReaderSize(file, 1<<20))
	if err != nil {
		return v1.Descriptor{}, err
	}
	m.blobs += size
	return v1.Descriptor{Digest: digest, Size: size}, os.Rename(file.Name(), filepath.Join(m.folder, "sha256", digest.Hex))
}

func describe(content []byte, mediaType types.MediaType) v1.Descriptor {
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	return v1.Descriptor{MediaType: mediaType, Size: int64(len(content)), Digest: v1.Hash{Algorithm: "sha256", Hex: sum}}
}
