package recipe

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyThrough is a compressor that changes nothing.
func copyThrough(_ context.Context, plain io.Reader, packed io.Writer) error {
	_, err := io.Copy(packed, plain)
	return err
}

func TestCompressLayer(t *testing.T) {
	content := strings.Repeat("0123456789", 1<<18) // more than any buffer on the way
	path := filepath.Join(t.TempDir(), layerFile)
	prefix := func(ctx context.Context, plain io.Reader, packed io.Writer) error {
		return copyThrough(ctx, io.MultiReader(strings.NewReader("packed:"), plain), packed)
	}
	got, err := compressLayer(t.Context(), path, func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}, prefix)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(packed) != "packed:"+content {
		t.Errorf("the file has %d bytes, not what the compressor wrote", len(packed))
	}
	want := layer{
		Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(packed)), Size: int64(len(packed)),
		DiffID: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content))), TarSize: int64(len(content)),
	}
	if got != want {
		t.Errorf("layer %+v, want %+v", got, want)
	}
}

func TestCompressLayerFails(t *testing.T) {
	broken := errors.New("it broke")
	writeMuch := func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Repeat("x", 4<<20))
		return err
	}
	for _, test := range []struct {
		name     string
		write    func(io.Writer) error
		compress func(context.Context, io.Reader, io.Writer) error
		want     error // nil for any
	}{
		{"writer at once", func(io.Writer) error { return broken }, copyThrough, broken},
		{"writer half way", func(w io.Writer) error { return errors.Join(writeMuch(w), broken) }, copyThrough, broken},
		{"writer half way, compressor does not notice", func(w io.Writer) error { return errors.Join(writeMuch(w), broken) }, func(_ context.Context, plain io.Reader, packed io.Writer) error {
			_, _ = io.Copy(packed, plain)
			return nil
		}, broken},
		{"compressor at once", writeMuch, func(context.Context, io.Reader, io.Writer) error { return broken }, broken},
		{"compressor half way", writeMuch, func(_ context.Context, plain io.Reader, packed io.Writer) error {
			_, err := io.CopyN(packed, plain, 1<<20)
			return errors.Join(err, broken)
		}, broken},
		{"compressor in the end", writeMuch, func(ctx context.Context, plain io.Reader, packed io.Writer) error {
			return errors.Join(copyThrough(ctx, plain, packed), broken)
		}, broken},
		{"compressor ends too early", writeMuch, func(_ context.Context, plain io.Reader, packed io.Writer) error {
			_, err := io.CopyN(packed, plain, 1<<20)
			return err
		}, io.ErrClosedPipe},
		{"nothing written", func(io.Writer) error { return nil }, copyThrough, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := compressLayer(t.Context(), filepath.Join(t.TempDir(), layerFile), test.write, test.compress)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestReadLayer(t *testing.T) {
	const record = `{"name":"kube","components":"kubernetes=1.37.2","digest":"sha256:aa","diffID":"sha256:bb","size":4,"tarSize":9}`
	folder := writeTree(t, map[string]string{layerRecord: record, layerFile: "1234"})
	got, err := readLayer(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := layer{
		Name: "kube", Components: "kubernetes=1.37.2", Digest: "sha256:aa", DiffID: "sha256:bb", Size: 4, TarSize: 9,
		path: filepath.Join(folder, layerFile),
	}
	if got != want {
		t.Errorf("layer %+v, want %+v", got, want)
	}
	for name, files := range map[string]map[string]string{
		"cut short":     {layerRecord: record, layerFile: "123"},
		"no layer":      {layerRecord: record},
		"no record":     {layerFile: "1234"},
		"broken record": {layerRecord: "{", layerFile: "1234"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := writeTree(t, files)
			if _, err := readLayer(folder); err == nil {
				t.Error("no error")
			} else {
				wantHint(t, err, folder)
			}
		})
	}
}
