package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// TestImages wants a store that imports all that another one lists to be the
// same.
func TestImages(t *testing.T) {
	from, images := fixture(t)
	first, second := store.New(t.TempDir()), t.TempDir()
	if listed, err := first.Images(t.Context()); err != nil || len(listed) != 0 {
		t.Errorf("an empty store has %v, %v", listed, err)
	}
	root := t.TempDir()
	first = store.New(root)
	if err := first.Import(t.Context(), from, images, store.Options{}); err != nil {
		t.Fatal(err)
	}
	listed, err := first.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.New(second).Import(t.Context(), first, listed, store.Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files(t, root), files(t, second)); diff != "" {
		t.Errorf("the second store is not the first (-first +second):\n%s", diff)
	}
	var total int64
	for digest := range from.Memory {
		if size, ok := first.Size(digest); ok {
			total += size
		}
	}
	if size, err := first.Bytes(); err != nil || size != total {
		t.Errorf("the store has %d bytes, %v; want %d", size, err, total)
	}
}
