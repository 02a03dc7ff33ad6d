package summary

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folderOf makes a tar of headers; files are as many x as their sizes say.
func folderOf(t *testing.T, headers ...tar.Header) *tar.Reader {
	t.Helper()
	var content bytes.Buffer
	writer := tar.NewWriter(&content)
	for _, header := range headers {
		if err := writer.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(writer, strings.Repeat("x", int(header.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return tar.NewReader(&content)
}

// TestListSeesEveryChange compares files by contents, permissions and targets,
// and by names however the tar writes them.
func TestListSeesEveryChange(t *testing.T) {
	before, err := list(folderOf(
		t,
		tar.Header{Name: "./same", Typeflag: tar.TypeReg, Mode: 0o644, Size: 3},
		tar.Header{Name: "mode", Typeflag: tar.TypeReg, Mode: 0o644},
		tar.Header{Name: "content", Typeflag: tar.TypeReg, Mode: 0o644, Size: 3},
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "same"},
		tar.Header{Name: "folder/", Typeflag: tar.TypeDir, Mode: 0o755},
	))
	if err != nil {
		t.Fatal(err)
	}
	after, err := list(folderOf(
		t,
		tar.Header{Name: "same", Typeflag: tar.TypeReg, Mode: 0o644, Size: 3},
		tar.Header{Name: "mode", Typeflag: tar.TypeReg, Mode: 0o755},
		tar.Header{Name: "content", Typeflag: tar.TypeReg, Mode: 0o644, Size: 4},
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "mode"},
	))
	if err != nil {
		t.Fatal(err)
	}
	got := compareNames(before, after)
	if diff := cmp.Diff([]string{"content", "link", "mode"}, got.Changed); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if len(got.Added)+len(got.Removed) > 0 {
		t.Errorf("added %q, removed %q, want none", got.Added, got.Removed)
	}
}

func TestCancellable(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reader := cancellable(ctx, strings.NewReader("text"))
	if _, err := reader.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	cancel(stopped)
	if _, err := reader.Read(make([]byte, 1)); !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
}
