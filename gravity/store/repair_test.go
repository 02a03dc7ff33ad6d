package store_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// peer serves the blobs of a source.
type peer struct{ source }

func (p peer) Fetch(_ context.Context, repository string, digest v1.Hash, _ bool) (io.ReadCloser, int64, error) {
	content, ok := p.Memory[digest]
	if !ok || repository == "" {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(content)), int64(len(content)), nil
}

// TestRepair takes blobs away and damages others.
func TestRepair(t *testing.T) {
	from, images := fixture(t)
	root := t.TempDir()
	s := store.New(root)
	if err := s.Import(t.Context(), from, images, store.Options{}); err != nil {
		t.Fatal(err)
	}
	before := files(t, root)
	blobs, err := filepath.Glob(filepath.Join(root, "docker/registry/v2/blobs/sha256/*/*/data"))
	if err != nil || len(blobs) < 4 {
		t.Fatal(blobs, err)
	}
	repaired := func(want int, verify bool) {
		t.Helper()
		got, err := s.Repair(t.Context(), peer{from}, func(v1.Hash) bool { return verify })
		if got.Repaired != want || got.Blobs != len(blobs) || err != nil {
			t.Errorf("%+v, %v; want %d of %d blobs to be repaired", got, err, want, len(blobs))
		}
	}
	repaired(0, true)
	if err := os.Remove(blobs[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blobs[1], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	repaired(1, false)
	repaired(1, true)
	repaired(0, true)
	if diff := cmp.Diff(before, files(t, root)); diff != "" {
		t.Errorf("the store is not as it was (-before +after):\n%s", diff)
	}
	// What nobody has is an error, and the others are repaired.
	for _, blob := range blobs[:2] {
		if err := os.Remove(blob); err != nil {
			t.Fatal(err)
		}
	}
	delete(from.Memory, v1.Hash{Algorithm: "sha256", Hex: filepath.Base(filepath.Dir(blobs[0]))})
	got, err := s.Repair(t.Context(), peer{from}, func(v1.Hash) bool { return false })
	if got.Repaired != 1 || err == nil || !strings.Contains(err.Error(), "repair:") {
		t.Errorf("%+v, %v", got, err)
	}
}
