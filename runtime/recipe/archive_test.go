package recipe

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sourceDate is the time of files in the layers that tests write.
var sourceDate = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// tarFile is a file of an archive in tests.
type tarFile struct {
	Name string
	Type byte // tar.TypeReg when zero
	Body string
	Link string
	Mode int64
	UID  int
}

// writeTar writes an archive as others make them: with owners, times and
// whatever names the test wants.
func writeTar(t *testing.T, files []tarFile) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.tar")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	writer := tar.NewWriter(file)
	for _, f := range files {
		header := &tar.Header{
			Name: f.Name, Typeflag: f.Type, Linkname: f.Link, Mode: f.Mode, Uid: f.UID, Size: int64(len(f.Body)),
			Uname: "somebody", Gname: "somebody", ModTime: time.Unix(1_000_000_000, 5), AccessTime: time.Unix(1, 0), Format: tar.FormatPAX,
		}
		if header.Typeflag == 0 {
			header.Typeflag = tar.TypeReg
		}
		if header.Mode == 0 {
			header.Mode = 0o644
		}
		if err := writer.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(writer, f.Body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(writer.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// readTar reads the files of an archive, and checks what holds for all of
// those that the recipe writes.
func readTar(t *testing.T, content []byte) []tarFile {
	t.Helper()
	var files []tarFile
	reader := tar.NewReader(bytes.NewReader(content))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(sourceDate) || !header.AccessTime.IsZero() || !header.ChangeTime.IsZero() {
			t.Errorf("%s has the times %s, %s, %s", header.Name, header.ModTime, header.AccessTime, header.ChangeTime)
		}
		if header.Uname != "" || header.Gname != "" {
			t.Errorf("%s belongs to %s:%s by name", header.Name, header.Uname, header.Gname)
		}
		files = append(files, tarFile{
			Name: header.Name, Type: header.Typeflag, Body: string(body), Link: header.Linkname, Mode: header.Mode, UID: header.Uid,
		})
	}
}

func TestWriteEntries(t *testing.T) {
	host := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(host, []byte("machine code"), 0o600); err != nil {
		t.Fatal(err)
	}
	entries := []entry{
		{name: "usr/local/bin/kubectl", link: "kube"},
		{name: "usr/local/bin/kube", mode: 0o755, file: host},
		{name: "etc/empty", mode: 0o644},
		{name: "usr/local", dir: true, mode: 0o700}, // said, so not made up
		{name: "etc/data", mode: 0o644, data: []byte("data")},
		{name: "usr/local-data/" + strings.Repeat("long", 60), mode: 0o644, data: []byte("x")}, // beyond USTAR
	}
	write := func(entries []entry) []byte {
		var out bytes.Buffer
		if err := writeEntries(&out, entries, sourceDate); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	content := write(entries)
	want := []tarFile{
		{Name: "etc/", Type: tar.TypeDir, Mode: 0o755},
		{Name: "etc/data", Type: tar.TypeReg, Mode: 0o644, Body: "data"},
		{Name: "etc/empty", Type: tar.TypeReg, Mode: 0o644},
		{Name: "usr/", Type: tar.TypeDir, Mode: 0o755},
		{Name: "usr/local/", Type: tar.TypeDir, Mode: 0o700},
		{Name: "usr/local-data/", Type: tar.TypeDir, Mode: 0o755},
		{Name: "usr/local-data/" + strings.Repeat("long", 60), Type: tar.TypeReg, Mode: 0o644, Body: "x"},
		{Name: "usr/local/bin/", Type: tar.TypeDir, Mode: 0o755},
		{Name: "usr/local/bin/kube", Type: tar.TypeReg, Mode: 0o755, Body: "machine code"},
		{Name: "usr/local/bin/kubectl", Type: tar.TypeSymlink, Mode: 0o777, Link: "kube"},
	}
	if diff := cmp.Diff(want, readTar(t, content)); diff != "" {
		t.Errorf("archive mismatch (-want +got):\n%s", diff)
	}
	slices.Reverse(entries)
	if err := os.Chtimes(host, time.Now(), time.Unix(7, 0)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(write(entries), content) {
		t.Error("the bytes depend on the order or on a file's time")
	}
}

func TestWriteEntriesFails(t *testing.T) {
	gone := []entry{{name: "usr/bin/gone", file: filepath.Join(t.TempDir(), "gone")}}
	err := writeEntries(io.Discard, gone, sourceDate)
	wantError(t, err, "write usr/bin/gone: ")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
	broken := errors.New("disk full")
	if err := writeEntries(failingWriter{broken}, []entry{{name: "a"}}, sourceDate); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestExtractTar(t *testing.T) {
	archive := writeTar(t, []tarFile{
		{Name: "./", Type: tar.TypeDir, Mode: 0o755},
		{Name: "./usr/", Type: tar.TypeDir, Mode: 0o755},
		{Name: "./usr/bin/", Type: tar.TypeDir, Mode: 0o755},
		{Name: "./bin", Type: tar.TypeSymlink, Link: "usr/bin"},
		{Name: "./usr/bin/gcc", Body: "gcc", Mode: 0o755},
		{Name: "./bin/cc", Body: "cc", Mode: 0o555}, // through the link
		{Name: "./usr/bin/c99", Type: tar.TypeLink, Link: "./usr/bin/gcc"},
		{Name: "./dev/", Type: tar.TypeDir, Mode: 0o755},
		{Name: "./dev/null", Type: tar.TypeChar},
	})
	folder := filepath.Join(t.TempDir(), "root")
	if err := extractTar(archive, folder); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"usr/bin/gcc": "gcc", "usr/bin/cc": "cc", "usr/bin/c99": "gcc", "bin/gcc": "gcc"} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || string(content) != want {
			t.Errorf("%s has %q (%v), want %q", name, content, err, want)
		}
	}
	info, err := os.Stat(filepath.Join(folder, "usr/bin/cc"))
	if err != nil || info.Mode().Perm()&0o711 != 0o711 {
		t.Errorf("usr/bin/cc: mode %v (%v), want an executable that its owner can remove", info, err)
	}
	if _, err := os.Lstat(filepath.Join(folder, "dev/null")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the device was made (%v)", err)
	}
}

func TestExtractTarStaysInside(t *testing.T) {
	for _, test := range []struct {
		name  string
		files []tarFile
		fails bool
	}{
		{"above", []tarFile{{Name: "../outside/stolen", Body: "x"}}, true}, // no folder "outside" inside
		{"above, to a name inside", []tarFile{{Name: "../../stolen", Body: "x"}}, false},
		{"absolute", []tarFile{{Name: "/stolen", Body: "x"}}, false},
		{"through a link upwards", []tarFile{
			{Name: "way", Type: tar.TypeSymlink, Link: "../outside"},
			{Name: "way/stolen", Body: "x"},
		}, true},
		{"through an absolute link", []tarFile{
			{Name: "way", Type: tar.TypeSymlink, Link: "OUTSIDE"},
			{Name: "way/stolen", Body: "x"},
		}, true},
		{"a link in place of the file", []tarFile{
			{Name: "stolen", Type: tar.TypeSymlink, Link: "../outside/stolen"},
			{Name: "stolen", Body: "x"},
		}, true},
		{"a folder through a link", []tarFile{
			{Name: "way", Type: tar.TypeSymlink, Link: "../outside"},
			{Name: "way/stolen/", Type: tar.TypeDir},
		}, true},
		{"a hard link to a file above", []tarFile{{Name: "stolen", Type: tar.TypeLink, Link: "../outside/secret"}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			parent := t.TempDir()
			outside := filepath.Join(parent, "outside")
			if err := os.Mkdir(outside, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644); err != nil {
				t.Fatal(err)
			}
			files := slices.Clone(test.files)
			for i := range files {
				files[i].Link = strings.Replace(files[i].Link, "OUTSIDE", outside, 1)
			}
			err := extractTar(writeTar(t, files), filepath.Join(parent, "root"))
			if (err != nil) != test.fails {
				t.Errorf("error %v, want one: %t", err, test.fails)
			}
			entries, readErr := os.ReadDir(outside)
			if readErr != nil || len(entries) != 1 {
				t.Errorf("outside of the folder there are %v (%v)", entries, readErr)
			}
			if content, err := os.ReadFile(filepath.Join(parent, "root", "stolen")); err == nil && string(content) == "secret" {
				t.Error("a file of the outside is reached from the inside")
			}
		})
	}
}

func TestExtractTarFails(t *testing.T) {
	whole, err := os.ReadFile(writeTar(t, []tarFile{{Name: "a", Body: strings.Repeat("x", 2000)}}))
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short.tar")
	if err := os.WriteFile(short, whole[:len(whole)-2048], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := extractTar(short, filepath.Join(t.TempDir(), "root")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if err := extractTar(filepath.Join(t.TempDir(), "none.tar"), t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
}
