package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// buildGravity compiles a program that passes for gravity.
func buildGravity(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module example.com/gravity\n\ngo 1.24\n",
		"main.go": "package main\n\nfunc main() { println(\"gravity\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", "gravity", ".")
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return filepath.Join(dir, "gravity")
}

// startRegistry gives a script a registry, as $registry, with the images
// shop/web:1.0, shop/web:1.1, shop/db:2 (for two platforms) and library/tool:1,
// and a layout with runtimes, as $TELE_RUNTIMES.
func startRegistry(env *testscript.Env) error {
	server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
	env.Defer(server.Close)
	// $closed is one that lets in ann only.
	closed := httptest.NewServer(onlyAnn(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)))))
	env.Defer(closed.Close)
	env.Setenv("closed", strings.TrimPrefix(closed.URL, "http://"))
	host := strings.TrimPrefix(server.URL, "http://")
	env.Setenv("registry", host)
	// Nothing of the user's is read, and nothing written outside the script's folder.
	env.Setenv("GRAVITY_CACHE", filepath.Join(env.WorkDir, "cache"))
	env.Setenv("TELE_RUNTIMES", filepath.Join(env.WorkDir, "runtimes"))
	for _, tag := range []string{"shop/web:1.0", "shop/web:1.1", "library/tool:1", "example/tool:1"} {
		if err := pushImage(host+"/"+tag, simpleImage(tag, "amd64")); err != nil {
			return err
		}
	}
	var index v1.ImageIndex = empty.Index
	for _, architecture := range []string{"amd64", "arm64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        simpleImage("shop/db:2", architecture),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	ref, err := name.ParseReference(host + "/shop/db:2")
	if err != nil {
		return err
	}
	return errors.Join(remote.WriteIndex(ref, index), writeRuntimes(filepath.Join(env.WorkDir, "runtimes")))
}

// onlyAnn lets in a user whose password is "open sesame".
func onlyAnn(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "open sesame" {
			w.Header().Set("WWW-Authenticate", `Basic realm="closed"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

func pushImage(reference string, image v1.Image) error {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return err
	}
	return remote.Write(ref, image)
}

// simpleImage has one layer, the same each time.
func simpleImage(text, architecture string) v1.Image {
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	for _, file := range [][2]string{
		{"what", text + " for " + architecture},
		{"var/lib/dpkg/status", "Package: example\nStatus: install ok installed\nVersion: 1.2-3\nArchitecture: all\n"},
	} {
		if err := archive.WriteHeader(&tar.Header{Name: file[0], Mode: 0o644, Size: int64(len(file[1]))}); err != nil {
			panic(err)
		}
		_, _ = archive.Write([]byte(file[1])) // to memory
	}
	_ = archive.Close()
	image, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		panic(err)
	}
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS: "linux", Architecture: architecture, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Labels: map[string]string{"org.opencontainers.image.title": text}},
	})
	if err != nil {
		panic(err)
	}
	return image
}

// writeRuntimes makes a layout with two small runtimes.
func writeRuntimes(folder string) error {
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	for _, version := range []string{"1.36.3", "1.37.2"} {
		master := mutate.IndexAddendum{
			Add: simpleImage("runtime "+version, "amd64"),
			Descriptor: v1.Descriptor{
				Annotations: map[string]string{runtime.AnnotationRole: runtime.RoleMaster},
				Platform:    &v1.Platform{OS: "linux", Architecture: "amd64"},
			},
		}
		artifact := mutate.AppendManifests(empty.Index, master)
		err := path.AppendIndex(artifact, layout.WithAnnotations(map[string]string{
			"org.opencontainers.image.ref.name": runtime.Reference(version),
		}))
		if err != nil {
			return fmt.Errorf("runtime %s: %w", version, err)
		}
	}
	return nil
}

// writeImage writes an image with a name to a layout or a docker-archive.
func writeImage(kind, reference, path string) error {
	ref, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	image := simpleImage(reference, "amd64")
	if kind == "archive" {
		return tarball.WriteToFile(path, ref, image)
	}
	written, err := layout.Write(path, empty.Index)
	if err != nil {
		return err
	}
	return written.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": reference}))
}

// damageFiles changes a bit of every file in a folder.
func damageFiles(folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(folder, file.Name())
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		content[0] ^= 1
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// pushIndex copies an index of a layout to a registry.
func pushIndex(folder, wanted, reference string) error {
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return err
	}
	listed, err := index.IndexManifest()
	if err != nil {
		return err
	}
	ref, err := name.ParseReference(reference)
	if err != nil {
		return err
	}
	for _, manifest := range listed.Manifests {
		if manifest.Annotations["org.opencontainers.image.ref.name"] != wanted {
			continue
		}
		found, err := index.ImageIndex(manifest.Digest)
		if err != nil {
			return err
		}
		return remote.WriteIndex(ref, found)
	}
	return fmt.Errorf("no index %s", wanted)
}
