package discovery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
)

const pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{name: a, image: 'quay.io/example/a:1'}]\n"

func TestLargeFiles(t *testing.T) {
	tests := []struct {
		name string
		size int
		want string // part of the problem
		n    int    // images
	}{
		{"a.yaml", 2 << 20, "", 1},
		{"a.yaml", 16<<20 + 1, "a.yaml: has 16777217 bytes", 0},
		{"a.json", 16<<20 + 1, "a.json: has 16777217 bytes", 0},
		{"a.txt", 1 << 20, "", 1},
		{"a.txt", 1<<20 + 1, "", 0},
	}
	for _, test := range tests {
		data := pod + "# " + strings.Repeat("x", test.size-len(pod)-3) + "\n"
		application := fstest.MapFS{test.name: {Data: []byte(data)}}
		result, err := discovery.Discover(t.Context(), application, discovery.Options{})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s of %d bytes: %v, want %q", test.name, test.size, err, test.want)
		}
		if len(result.Images) != test.n {
			t.Errorf("%s of %d bytes: %d images, want %d", test.name, test.size, len(result.Images), test.n)
		}
	}
}

func TestCancelled(t *testing.T) {
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := discovery.Discover(ctx, fstest.MapFS{"a.yaml": {Data: []byte(pod)}}, discovery.Options{})
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}

func TestMissingFolder(t *testing.T) {
	if _, _, err := discovery.Open(t.TempDir() + "/nowhere"); err == nil {
		t.Error("opened a folder that does not exist")
	}
}

// A parser that recurses must stop before its stack is full: that ends the
// program, whatever recovers.
func TestDeepJSON(t *testing.T) {
	data := `{"apiVersion": "v1", "kind": "Pod", "a": ` + strings.Repeat("[", 5<<20)
	_, err := discovery.Discover(t.Context(), fstest.MapFS{"a.json": {Data: []byte(data)}}, discovery.Options{})
	if err == nil || !strings.Contains(err.Error(), "levels deep") {
		t.Errorf("got %.200v, want an error about the depth", err)
	}
}
