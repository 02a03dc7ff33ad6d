package trial_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/trial"
)

// writeLayout writes a layout with one runtime of the given manifests.
func writeLayout(t *testing.T, version string, manifests map[string]map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	blobs := filepath.Join(folder, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(value any, path string) v1.Hash {
		content, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		hash := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
		if path == "" {
			path = filepath.Join(blobs, hash.Hex)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return hash
	}
	var index v1.IndexManifest
	for name, annotations := range manifests {
		manifest := v1.Manifest{Config: v1.Descriptor{Digest: write("config", "")}, Layers: []v1.Descriptor{{Digest: write(name, "")}}, Annotations: map[string]string{"name": name}}
		annotations["org.opencontainers.image.ref.name"] = name
		index.Manifests = append(index.Manifests, v1.Descriptor{Digest: write(manifest, ""), Annotations: annotations})
	}
	top := v1.IndexManifest{Manifests: []v1.Descriptor{{
		Digest: write(index, ""), Annotations: map[string]string{runtime.AnnotationVersion: version},
	}}}
	write(top, filepath.Join(folder, "index.json"))
	return folder
}

func role(name string) map[string]string { return map[string]string{runtime.AnnotationRole: name} }

func TestOpen(t *testing.T) {
	layout := writeLayout(t, "1.37.2", map[string]map[string]string{
		"master": role(runtime.RoleMaster), "etcd": role(runtime.RoleImage), "pause": role(runtime.RoleImage),
		"sbom": role(runtime.RoleSBOM), "release": role(runtime.RoleRelease),
	})
	artifact, err := trial.Open(layout, "1.37.2")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(artifact.Images)
	if artifact.Version != "1.37.2" || !slices.Equal(artifact.Images, []string{"etcd", "pause"}) {
		t.Errorf("runtime %s with the images %q", artifact.Version, artifact.Images)
	}
}

func TestOpenFails(t *testing.T) {
	complete := map[string]map[string]string{"master": role(runtime.RoleMaster), "etcd": role(runtime.RoleImage)}
	for _, test := range []struct {
		name, layout, want, hint string
	}{
		{"no layout", t.TempDir(), "open the runtimes: ", "run 'make runtimes'"},
		{"another version", writeLayout(t, "1.36.3", complete), "has no complete runtime 1.37.2", "run 'make runtimes RUNTIMES=1.37.2'"},
		{"no master", writeLayout(t, "1.37.2", map[string]map[string]string{"etcd": role(runtime.RoleImage)}), "has no complete runtime 1.37.2", "RUNTIMES=1.37.2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := trial.Open(test.layout, "1.37.2")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want one with %q", err, test.want)
			}
			if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], test.hint) {
				t.Errorf("hints %q, want one with %q", hints, test.hint)
			}
		})
	}
}
