package bundle

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeHuge makes a bundle with layers that are holes in a file, and whose
// digests are made up: its size is what matters.
func writeHuge(tb testing.TB, layers int, size int64) string {
	tb.Helper()
	contents := Contents{
		Name: "huge", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Manifest: []byte("kind: Bundle\n"),
	}
	source := Memory{}
	contents.Source = source
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: source.Add([]byte("{}"))}
	for i := range layers {
		manifest.Layers = append(manifest.Layers, v1.Descriptor{
			MediaType: types.OCILayer, Size: size, Digest: hashOf(fmt.Appendf(nil, "layer %d", i)),
		})
	}
	described, err := artifact(source, "", append(manifest.Layers, manifest.Config))
	if err != nil {
		tb.Fatal(err)
	}
	contents.Images = []Image{{Reference: "registry.example/huge:1", Descriptor: described}}
	draft, err := contents.draw(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	items, total, err := draft.place()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "huge.tar")
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(total); err != nil {
		tb.Fatal(err)
	}
	for _, item := range items {
		if _, err := file.WriteAt(append(item.headers, item.content...), item.entry.Start); err != nil {
			tb.Fatal(err)
		}
	}
	return path
}

// countingReader counts what is read of a file.
type countingReader struct {
	*os.File
	calls int
	bytes int
}

func (r *countingReader) ReadAt(p []byte, offset int64) (int, error) {
	r.calls++
	r.bytes += len(p)
	return r.File.ReadAt(p, offset)
}

// TestOpenReadsLittle opens a bundle with one layer beyond the size that tar
// headers hold and counts what is read, in place of time.
func TestOpenReadsLittle(t *testing.T) {
	path := writeHuge(t, 200, 50<<20)
	for _, path := range []string{path, writeHuge(t, 1, 10<<30)} {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		reader := &countingReader{File: file}
		opened, err := OpenReaderAt(reader, info.Size())
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() < 10e9 || reader.calls > 60 || reader.bytes > 100_000 {
			t.Errorf("of %d bytes read %d in %d calls", info.Size(), reader.bytes, reader.calls)
		}
		for digest := range opened.Blobs() {
			if _, err := opened.Blob(digest); err != nil {
				t.Error(err)
			}
		}
	}
}

// BenchmarkOpen opens a bundle of 10 GB with two thousand layers.
func BenchmarkOpen(b *testing.B) {
	path := writeHuge(b, 2000, 5<<20)
	for b.Loop() {
		opened, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := opened.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseTable(f *testing.F) {
	f.Add(table{index: hashOf(nil), rows: []tableRow{{hex: hashOf([]byte("a")).Hex, size: 1}}}.encode())
	f.Add([]byte(tableTitle + "\nindex \n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		parsed, err := parseTable(content)
		if err != nil {
			return
		}
		if _, _, err := place(parsed.rows, 0); err != nil {
			return
		}
		again, err := parseTable(parsed.encode())
		if err != nil || !bytes.Equal(again.encode(), parsed.encode()) {
			t.Errorf("%q is read as %q, error %v", parsed.encode(), again.encode(), err)
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	contents := Contents{
		Name: "app", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Source: Memory{},
	}
	draft, err := contents.draw(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(draft.small[NameIndex])
	f.Fuzz(func(t *testing.T, content []byte) {
		index, err := ParseIndex(content)
		if err != nil {
			return
		}
		encoded, err := index.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseIndex(encoded)
		if err != nil {
			t.Fatalf("%q is refused: %v", encoded, err)
		}
		if twice, err := again.encode(); err != nil || !bytes.Equal(encoded, twice) {
			t.Errorf("%q becomes %q, error %v", encoded, twice, err)
		}
	})
}
