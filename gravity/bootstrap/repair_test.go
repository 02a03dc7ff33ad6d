package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// otherMaster serves blobs, unless it is down.
type otherMaster struct {
	bundle.Memory
	down bool
}

func (o *otherMaster) Fetch(_ context.Context, _ string, digest v1.Hash, _ bool) (io.ReadCloser, int64, error) {
	content, ok := o.Memory[digest]
	if !ok || o.down {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(content)), int64(len(content)), nil
}

func (o *otherMaster) ReadManifest(_ context.Context, digest v1.Hash) ([]byte, error) {
	return o.Memory[digest], nil
}

// twoBlobs is a store with an image, of which a master has a layer and a configuration.
func twoBlobs(t *testing.T) (r *repairer, other *otherMaster, layer, config v1.Descriptor) {
	t.Helper()
	p := paths.Paths{Root: t.TempDir()}
	other = &otherMaster{Memory: bundle.Memory{}}
	layer, config = other.Add([]byte("layer")), other.Add([]byte("{}"))
	layer.MediaType, config.MediaType = types.OCILayer, types.OCIConfigJSON
	content, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: []v1.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	image := other.Add(content)
	image.MediaType = types.OCIManifestSchema1
	r = &repairer{paths: p, store: store.New(p.Store()), stamps: map[v1.Hash]string{}}
	if err := r.store.Import(t.Context(), other, []store.Image{{Name: "docker.io/library/a:1", Descriptor: image}}, store.Options{}); err != nil {
		t.Fatal(err)
	}
	return r, other, layer, config
}

// TestRepairRounds damages a blob, and wants that to be told until another master
// has it, without all blobs being read each time.
func TestRepairRounds(t *testing.T) {
	r, other, layer, _ := twoBlobs(t)
	p := r.paths
	now := time.Now().UTC()
	round := func(after time.Duration, repaired int, problem string) store.State {
		t.Helper()
		got, err := r.repair(t.Context(), other, now.Add(after))
		if written, readErr := store.ReadState(p.StoreState()); readErr != nil || written != got {
			t.Errorf("%+v is written, %v, want %+v", written, readErr, got)
		}
		if got.Blobs != 3 || got.Repaired != repaired || !strings.Contains(got.Problem, problem) || (err != nil) != (problem != "") || (problem == "") != (got.Problem == "") {
			t.Errorf("after %s: %+v, %v; want %d repaired and the problem %q", after, got, err, repaired, problem)
		}
		return got
	}
	path := filepath.Join(p.Store(), "docker/registry/v2/blobs/sha256", layer.Digest.Hex[:2], layer.Digest.Hex, "data")
	damage := func(at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte("Layer"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	round(0, 0, "")
	damage(now.Add(time.Minute))
	other.down = true
	round(time.Minute, 0, "repair:")
	round(2*time.Minute, 0, "repair:")
	other.down = false
	round(3*time.Minute, 1, "")
	if whole, err := os.ReadFile(path); err != nil || string(whole) != "layer" {
		t.Errorf("the blob is %q, %v", whole, err)
	}
	round(4*time.Minute, 0, "")
	// What changes on the disk without being written to is found when all is read.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	damage(info.ModTime())
	round(5*time.Minute, 0, "")
	if got := round(verifyInterval+time.Minute, 1, ""); got.Verified != got.Checked || got.RepairedAt != got.Checked {
		t.Errorf("%+v", got)
	}
}

// TestRepairFails wants a blob that nobody can repair to be told, also by an agent that
// starts anew, without all others being read each minute.
func TestRepairFails(t *testing.T) {
	r, _, layer, config := twoBlobs(t)
	// What does not change its file's size and time is found by reading it.
	damage := func(digest v1.Hash, content string) {
		t.Helper()
		path := r.store.BlobFile(digest)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UTC()
	round := func(r *repairer, after time.Duration, damaged ...v1.Hash) store.State {
		t.Helper()
		got, err := r.repair(t.Context(), nobody{}, now.Add(after))
		if (err != nil) != (len(damaged) > 0) || (got.Problem != "") != (len(damaged) > 0) {
			t.Errorf("after %s: %+v, %v", after, got, err)
		}
		for _, digest := range []v1.Hash{layer.Digest, config.Digest} {
			if told := strings.Contains(got.Problem, "blob "+digest.String()); told != slices.Contains(damaged, digest) {
				t.Errorf("after %s: %s is told: %v, in %q", after, digest, told, got.Problem)
			}
		}
		return got
	}
	round(r, 0)
	damage(layer.Digest, "Layer")
	got := round(r, verifyInterval, layer.Digest)
	if got.Verified != got.Checked {
		t.Errorf("all were read, and it says %+v", got)
	}
	if hint := "packages/blobs/sha256/" + layer.Digest.Hex + " | install -D -m 644 /dev/stdin " + r.store.BlobFile(layer.Digest); !strings.Contains(got.Problem, hint) {
		t.Errorf("%q does not say %q", got.Problem, hint)
	}
	damage(config.Digest, "[]")
	round(r, verifyInterval+time.Minute, layer.Digest)
	again := &repairer{paths: r.paths, store: r.store}
	round(again, verifyInterval+2*time.Minute, layer.Digest, config.Digest)
	// Somebody puts them back as the hint says.
	damage(layer.Digest, "layer")
	damage(config.Digest, "{}")
	round(again, verifyInterval+3*time.Minute)
}
