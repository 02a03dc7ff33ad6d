package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is an archive of three entries, the last one aligned.
func sample(t testing.TB) []byte {
	t.Helper()
	var file []byte
	add := func(header Header, content string) {
		header.Size = int64(len(content))
		encoded, err := Encode(header, int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		file = append(append(file, encoded...), content...)
		file = append(file, make([]byte, RoundUp(int64(len(file)))-int64(len(file)))...)
	}
	add(Header{Name: "text", Mode: 0o644}, "some text")
	add(Header{Name: "folder", Mode: 0o755, Directory: true}, "")
	add(Header{Name: "folder/" + strings.Repeat("f", 64), Mode: 0o755, Aligned: true}, strings.Repeat("large", 300))
	return append(file, make([]byte, TrailerSize)...)
}

// scanAll lists the entries of an archive.
func scanAll(file []byte) ([]Entry, error) {
	scanner := NewScanner(bytes.NewReader(file), int64(len(file)))
	var entries []Entry
	for {
		entry, err := scanner.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return entries, err
		}
		entries = append(entries, entry)
	}
}

func TestScannerReadsWhatEncodeWrites(t *testing.T) {
	got, err := scanAll(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Header: Header{Name: "text", Mode: 0o644, Size: 9}, Offset: 512},
		{Header: Header{Name: "folder", Mode: 0o755, Directory: true}, Start: 1024, Offset: 1536},
		{Header: Header{Name: "folder/" + strings.Repeat("f", 64), Mode: 0o755, Size: 1500}, Start: 1536, Offset: 4096},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// TestStandardLibraryReadsIt compares with another reader.
func TestStandardLibraryReadsIt(t *testing.T) {
	reader := tar.NewReader(bytes.NewReader(sample(t)))
	var names []string
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.ModTime.UTC().Format("2006-01-02") != "1980-01-01" || header.Uid != 0 {
			t.Errorf("%s: time %v, owner %d", header.Name, header.ModTime, header.Uid)
		}
		names = append(names, header.Name)
	}
	if diff := cmp.Diff([]string{"text", "folder/", "folder/" + strings.Repeat("f", 64)}, names); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// TestHugeFiles checks sizes that need a pax record, at every alignment.
func TestHugeFiles(t *testing.T) {
	for start := int64(0); start < Alignment; start += BlockSize {
		for _, size := range []int64{0, 1, maxOctalSize - 1, maxOctalSize, 10_000_000_000, 1 << 59} {
			encoded, err := Encode(Header{Name: "huge", Size: size, Aligned: true}, start)
			if err != nil {
				t.Fatal(err)
			}
			if start+int64(len(encoded)) != ContentsOffset(start) || ContentsOffset(start)%Alignment != 0 {
				t.Errorf("header at %d has %d bytes", start, len(encoded))
			}
			header, err := tar.NewReader(bytes.NewReader(encoded)).Next()
			if err != nil || header.Size != size || header.Name != "huge" {
				t.Errorf("header at %d with size %d: %+v, error %v", start, size, header, err)
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, header := range []Header{
		{},
		{Name: strings.Repeat("n", 100)},
		{Name: "negative", Size: -1},
		{Name: "folder", Directory: true, Size: 1},
		{Name: "large", Size: maxOctalSize},
	} {
		if _, err := Encode(header, 0); err == nil {
			t.Errorf("%+v was encoded", header)
		}
	}
	if _, err := Encode(Header{Name: "between"}, 100); err == nil {
		t.Error("a header between blocks was encoded")
	}
}

// TestEveryBitCounts flips each bit outside of contents, and cuts at each byte.
func TestEveryBitCounts(t *testing.T) {
	file := sample(t)
	entries, err := scanAll(file)
	if err != nil {
		t.Fatal(err)
	}
	inContents := func(at int64) bool {
		for _, entry := range entries {
			if at >= entry.Offset && at < entry.End() {
				return true
			}
		}
		return false
	}
	for at := range file {
		if inContents(int64(at)) {
			continue
		}
		for bit := range 8 {
			changed := bytes.Clone(file)
			changed[at] ^= 1 << bit
			if _, err := scanAll(changed); err == nil {
				t.Errorf("bit %d of byte %d may change", bit, at)
			}
		}
	}
	for length := range file {
		truncated := (*TruncatedError)(nil)
		if _, err := scanAll(file[:length]); !errors.As(err, &truncated) {
			t.Errorf("cut at byte %d: error %v", length, err)
		}
	}
}

// TestForeignTars reads what the standard library writes in each format.
func TestForeignTars(t *testing.T) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatGNU, tar.FormatPAX} {
		var file bytes.Buffer
		writer := tar.NewWriter(&file)
		header := &tar.Header{Typeflag: tar.TypeReg, Name: "./text", Mode: 0o640, Size: 4, Format: format, Uname: "user"}
		if format == tar.FormatPAX {
			header.PAXRecords = map[string]string{"mtime": "1.5", "SCHILY.xattr.user.note": "x"}
		}
		if err := errors.Join(writer.WriteHeader(header), second(writer.Write([]byte("text"))), writer.Close()); err != nil {
			t.Fatal(err)
		}
		entries, err := scanAll(file.Bytes())
		if err != nil || len(entries) != 1 || entries[0].Name != "text" || entries[0].Mode != 0o640 || entries[0].Size != 4 {
			t.Errorf("%v: %+v, error %v", format, entries, err)
		}
	}
}

func second(_ int, err error) error { return err }

// TestRefusesKinds checks that no link or device gets through.
func TestRefusesKinds(t *testing.T) {
	for _, kind := range []byte{tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeXGlobalHeader} {
		var file bytes.Buffer
		writer := tar.NewWriter(&file)
		header := &tar.Header{Typeflag: kind, Name: "install"}
		switch kind {
		case tar.TypeLink, tar.TypeSymlink:
			header.Linkname = "/etc/passwd"
		case tar.TypeXGlobalHeader:
			header = &tar.Header{Typeflag: kind, PAXRecords: map[string]string{"path": "x"}}
		}
		if err := errors.Join(writer.WriteHeader(header), writer.Close()); err != nil {
			t.Fatal(err)
		}
		if entries, err := scanAll(file.Bytes()); err == nil {
			t.Errorf("type %q was read as %+v", kind, entries)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add(sample(f))
	random := make([]byte, 2048)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	f.Add(random)
	f.Fuzz(func(t *testing.T, file []byte) {
		// Checksums would hide what is behind them from the fuzzer.
		for start := 0; start+BlockSize <= len(file); start += BlockSize {
			if head := file[start : start+BlockSize]; string(head[257:262]) == "ustar" {
				copy(head[148:], checksum(head))
			}
		}
		entries, err := scanAll(file)
		for _, entry := range entries {
			if entry.Size < 0 || entry.Offset < 0 || entry.End() > int64(len(file)) {
				t.Errorf("entry %+v in a file of %d bytes, error %v", entry, len(file), err)
			}
		}
	})
}
