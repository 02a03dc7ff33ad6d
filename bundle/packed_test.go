package bundle_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/delta"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

const compressed = types.OCILayerZStd

// kube is a layer of a runtime: what it is, and how it is built.
type kube struct {
	plain []byte
	layer v1.Descriptor
}

// release makes a layer that has little more than another.
func (b *blobs) release(before []byte, seed byte) kube {
	plain := bytes.Clone(before)
	random := rand.New(rand.NewPCG(uint64(seed), 1)) //nolint:gosec // a test's
	for range 30 {
		plain[random.IntN(len(plain))]++
	}
	plain = append(plain, seed)
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	layer := b.Add(encoder.EncodeAll(plain, nil))
	layer.MediaType = compressed
	return kube{plain, layer}
}

// runtimeOf makes the artifact of a runtime: an image of a shared layer and its
// own.
func (b *blobs) runtimeOf(shared v1.Descriptor, own kube) v1.Descriptor {
	config := b.json(types.OCIConfigJSON, v1.ConfigFile{
		Architecture: "amd64", OS: "linux",
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{shared.Digest, bundle.Memory{}.Add(own.plain).Digest}},
	})
	return b.index(runtime.ArtifactType, b.json(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: []v1.Descriptor{shared, own.layer},
	}))
}

// deltaOf makes the delta of a layer to another, which is stored as given.
func (b *blobs) deltaOf(t testing.TB, base kube, stored v1.Descriptor, own kube) bundle.Delta {
	t.Helper()
	var made bytes.Buffer
	file := func(content []byte) delta.File {
		return delta.File{ReaderAt: bytes.NewReader(content), Size: int64(len(content))}
	}
	if err := delta.Make(t.Context(), file(base.plain), file(own.plain), &made); err != nil {
		t.Fatal(err)
	}
	restores := bundle.Memory{}.Add(own.plain)
	restores.MediaType = types.OCIUncompressedLayer
	return bundle.Delta{Blob: b.Add(made.Bytes()), Restores: restores, Base: stored}
}

// releases are three runtimes of one bundle, the second made of the first and the
// third of the second.
type releases struct {
	contents bundle.Contents
	kubes    []kube
}

func embedded(t testing.TB) releases {
	t.Helper()
	contents := complete()
	b := newBlobs(7)
	contents.Source = bundle.Sources{contents.Source, b}
	shared := b.layer(50_000)
	first := make([]byte, 200_000)
	_, _ = b.random.Read(first)
	r := releases{}
	for i := range 3 {
		r.kubes = append(r.kubes, b.release(first, byte(i)))
		first = r.kubes[i].plain
	}
	contents.Runtimes = []bundle.Runtime{{Version: "1.37.2", Descriptor: b.runtimeOf(shared, r.kubes[0])}}
	stored := r.kubes[0].layer
	for i, version := range []string{"1.36.3", "1.35.4"} {
		one := b.deltaOf(t, r.kubes[i], stored, r.kubes[i+1])
		stored = one.Restores
		packed, err := bundle.Pack(t.Context(), contents.Source,
			bundle.Runtime{Version: version, Embedded: true, Descriptor: b.runtimeOf(shared, r.kubes[i+1])},
			map[v1.Hash]bundle.Delta{r.kubes[i+1].layer.Digest: one}, b.Memory)
		if err != nil {
			t.Fatal(err)
		}
		contents.Runtimes = append(contents.Runtimes, packed)
	}
	r.contents = contents
	return r
}

// layers lists the layers of a runtime of a bundle, as its manifests say.
func layers(t testing.TB, b *bundle.Bundle, listed bundle.Runtime) []v1.Descriptor {
	t.Helper()
	var index v1.IndexManifest
	var manifest v1.Manifest
	content, err := b.ReadManifest(t.Context(), listed.Descriptor.Digest)
	if err == nil {
		err = json.Unmarshal(content, &index)
	}
	if err == nil {
		content, err = b.ReadManifest(t.Context(), index.Manifests[0].Digest)
	}
	if err == nil {
		err = json.Unmarshal(content, &manifest)
	}
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Layers
}

// TestEmbedded wants embedded runtimes to be small, and their layers to be what
// they were.
func TestEmbedded(t *testing.T) {
	r := embedded(t)
	path := write(t, r.contents)
	opened := open(t, path)
	if err := verify(t, path); err != nil {
		t.Fatal(err)
	}
	for i, listed := range opened.Index().Runtimes {
		// They are listed as upgrades take them: the target, then the oldest.
		want := r.kubes[[]int{0, 2, 1}[i]]
		own := layers(t, opened, listed)[1]
		blob, err := opened.Open(t.Context(), own.Digest)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(blob)
		if closeErr := blob.Close(); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
		if i == 0 {
			if own.MediaType != compressed {
				t.Errorf("the target's layer has media type %s", own.MediaType)
			}
			continue
		}
		if own.MediaType != types.OCIUncompressedLayer || !bytes.Equal(content, want.plain) || own.Size != int64(len(content)) {
			t.Errorf("runtime %s: its layer is not restored", listed.Version)
		}
		if _, ok := opened.Blobs()[own.Digest]; ok || listed.Packed == nil {
			t.Errorf("runtime %s: its layer is not stored as a delta", listed.Version)
		}
	}
	known, err := opened.Deltas()
	if err != nil || len(known) != 2 {
		t.Errorf("%d deltas, %v", len(known), err)
	}
	again := filepath.Join(t.TempDir(), "again.tar")
	if _, err := bundle.Write(t.Context(), again, r.contents, bundle.Options{}); err != nil || !bytes.Equal(readFile(t, path), readFile(t, again)) {
		t.Errorf("other bytes: %v", err)
	}
}

// TestEmbeddedDamage changes bits of a bundle with deltas, and cuts it: what is read
// of it is an error or right, and checking finds everything.
func TestEmbeddedDamage(t *testing.T) {
	r := embedded(t)
	path := write(t, r.contents)
	content := readFile(t, path)
	random := rand.New(rand.NewPCG(5, 5)) //nolint:gosec // a test's
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		damaged := bytes.Clone(content)
		at := random.IntN(len(damaged))
		damaged[at] ^= 1 << random.IntN(8)
		if err := verifyBytes(t, damaged); err == nil {
			t.Fatalf("byte %d: the change is not found", at)
		}
		readRestored(t, damaged, r)
		if err := verifyBytes(t, content[:at]); err == nil {
			t.Fatalf("cut at byte %d: not found", at)
		}
	}
}

func verifyBytes(t *testing.T, content []byte) error {
	t.Helper()
	opened, err := bundle.OpenReaderAt(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	defer opened.Close()
	report, err := opened.Verify(t.Context(), bundle.Options{Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	return report.Err()
}

// readRestored reads the layers that are restored: without an error, they are
// right.
func readRestored(t *testing.T, content []byte, r releases) {
	t.Helper()
	opened, err := bundle.OpenReaderAt(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return
	}
	defer opened.Close()
	for _, one := range r.kubes[1:] {
		blob, err := opened.Open(t.Context(), bundle.Memory{}.Add(one.plain).Digest)
		if err != nil {
			continue
		}
		restored, err := io.ReadAll(blob)
		if err == nil && !bytes.Equal(restored, one.plain) {
			t.Error("something wrong is restored")
		}
		if err := blob.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestForgedDeltas wants bundles refused whose deltas lead in circles, too far, or
// to something else than the image says.
func TestForgedDeltas(t *testing.T) {
	b := newBlobs(9)
	shared := b.layer(5000)
	content := make([]byte, 50_000)
	_, _ = b.random.Read(content)
	first := b.release(content, 1)
	second := b.release(first.plain, 2)
	listed := bundle.Runtime{Version: "1.36.3", Embedded: true, Descriptor: b.runtimeOf(shared, second)}
	good := b.deltaOf(t, first, first.layer, second)
	pack := func(one bundle.Delta) (bundle.Runtime, error) {
		return bundle.Pack(t.Context(), b, listed, map[v1.Hash]bundle.Delta{second.layer.Digest: one}, b.Memory)
	}
	other := good
	other.Restores = bundle.Memory{}.Add([]byte("else"))
	if _, err := pack(other); err == nil || !strings.Contains(err.Error(), "is not") {
		t.Errorf("another layer: %v", err)
	}
	circle := good
	circle.Base = circle.Restores
	packed, err := pack(circle)
	if err != nil {
		t.Fatal(err)
	}
	contents := complete()
	contents.Source = bundle.Sources{contents.Source, b}
	contents.Runtimes = []bundle.Runtime{{Version: "1.37.2", Descriptor: b.runtimeOf(shared, first)}, packed}
	if err := verify(t, write(t, contents)); err == nil || !strings.Contains(err.Error(), "more than 2 deltas") {
		t.Errorf("a circle: %v", err)
	}
	wrong := good
	wrong.Blob = b.deltaOf(t, first, first.layer, b.release(first.plain, 3)).Blob
	if packed, err = pack(wrong); err != nil {
		t.Fatal(err)
	}
	contents.Runtimes[1] = packed
	if err := verify(t, write(t, contents)); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("a delta of something else: %v", err)
	}
}

// TestBase builds the next version upon a bundle: it has what that lacks, and says
// so.
func TestBase(t *testing.T) {
	r := embedded(t)
	oldPath := write(t, r.contents)
	old := open(t, oldPath)
	contents := r.contents
	b := newBlobs(11)
	contents.Version = "1.2.4"
	contents.Bases = []*bundle.Bundle{old}
	contents.Source = bundle.Sources{b, r.contents.Source}
	next := b.release(r.kubes[0].plain, 77)
	shared := layers(t, old, old.Index().Runtimes[0])[0]
	packed, err := bundle.Pack(t.Context(), contents.Source, bundle.Runtime{Version: "1.37.3", Descriptor: b.runtimeOf(shared, next)},
		map[v1.Hash]bundle.Delta{next.layer.Digest: b.deltaOf(t, r.kubes[0], r.kubes[0].layer, next)}, b.Memory)
	if err != nil {
		t.Fatal(err)
	}
	contents.Runtimes = []bundle.Runtime{packed}
	contents.Images = append([]bundle.Image{{Reference: "docker.io/library/new:1", Descriptor: b.image(b.layer(3000))}}, contents.Images...)
	path := write(t, contents)
	opened := open(t, path)
	if opened.Size() > old.Size()/4 {
		t.Errorf("%d bytes, and the base has %d", opened.Size(), old.Size())
	}
	bases, err := opened.Bases()
	if err != nil || len(bases) != 1 || bases[0].Digest != old.Digest() || bases[0].Version != "1.2.3+build.4" {
		t.Fatalf("bases %+v, %v", bases, err)
	}
	report, err := opened.Verify(t.Context(), bundle.Options{})
	if err != nil || report.Err() != nil || !report.Unchecked || report.Lacking == 0 {
		t.Errorf("without the base: %+v, %v", report, err)
	}
	if err := opened.Complete(); err == nil || !strings.Contains(err.Error(), "1.2.3+build.4") {
		t.Errorf("without the base: %v", err)
	}
	digest := bundle.Memory{}.Add(next.plain).Digest
	_, err = opened.Open(t.Context(), digest)
	if _, ok := errors.AsType[*bundle.MissingBaseError](err); !ok {
		t.Errorf("without the base: %v", err)
	}
	if err := opened.UseBases(opened); err == nil {
		t.Error("another bundle is taken as the base")
	}
	if err := opened.UseBases(old); err != nil {
		t.Fatal(err)
	}
	report, err = opened.Verify(t.Context(), bundle.Options{})
	if err != nil || report.Err() != nil || report.Unchecked {
		t.Errorf("with the base: %+v, %v", report, err)
	}
	if err := opened.Complete(); err != nil {
		t.Error(err)
	}
	blob, err := opened.Open(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	if restored, err := io.ReadAll(blob); err != nil || !bytes.Equal(restored, next.plain) {
		t.Errorf("restored of the base: %v", err)
	}
}

// TestBaseDamage changes bits of a bundle that was built upon another.
func TestBaseDamage(t *testing.T) {
	r := embedded(t)
	old := open(t, write(t, r.contents))
	contents := r.contents
	contents.Version = "1.2.4"
	contents.Bases = []*bundle.Bundle{old}
	content := readFile(t, write(t, contents))
	random := rand.New(rand.NewPCG(6, 6)) //nolint:gosec // a test's
	for range 100 {
		damaged := bytes.Clone(content)
		at := random.IntN(len(damaged))
		damaged[at] ^= 1 << random.IntN(8)
		if err := verifyBytes(t, damaged); err == nil {
			t.Fatalf("byte %d: the change is not found", at)
		}
	}
}
