// Package installtest brings what tests of installations need onto machines of
// a lab: the program, as it is built from here, and bundles with the runtimes
// that `make runtimes` has built.
package installtest

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// layoutVariable names the layout of runtimes, if it is not the one that
// `make runtimes` writes.
const layoutVariable = "GRAVITY_RUNTIMES"

// Version is the runtime that is installed: the newest.
var Version = newest()

func newest() string {
	catalogue, err := runtime.Releases()
	if err != nil {
		panic(err) // it is compiled in, and has tests
	}
	return catalogue.Releases[0].Version
}

// Application describes the bundle to make.
type Application struct {
	// Manifest is app.yaml; the name and version are Name and Version.
	Manifest, Name, Version string
	// Files are those of the application's folder.
	Files map[string]string
	// Images are names of images of the runtime's layout, by the names that the
	// application has for them.
	Images map[string]string
}

// SkipWithoutLab skips tests that cannot have machines.
func SkipWithoutLab(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots machines; run without -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("lab machines need root")
	}
}

// Program builds gravity and returns its path.
func Program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gravity")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path,
		"github.com/gravity-platform/terraform-provider-gravity/gravity")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return path
}

// Bundle writes a bundle with the newest runtime and returns its path.
func Bundle(t *testing.T, program string, application Application) string {
	t.Helper()
	layout := Layout(t)
	var index v1.IndexManifest
	content, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		t.Fatalf("%v; run 'make runtimes'", err)
	}
	if err := json.Unmarshal(content, &index); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]v1.Descriptor)
	for _, descriptor := range index.Manifests {
		found[descriptor.Annotations["org.opencontainers.image.ref.name"]] = descriptor
	}
	target, ok := found[runtime.Reference(Version)]
	if !ok {
		t.Fatalf("%s has no runtime %s; run 'make runtimes'", layout, Version)
	}
	files, made := bundle.Files{}, bundle.Memory{}
	described, err := files.Add(program)
	if err != nil {
		t.Fatal(err)
	}
	contents := bundle.Contents{
		Name: application.Name, Version: application.Version, Manifest: []byte(application.Manifest),
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Runtimes: []bundle.Runtime{{Version: Version, Descriptor: target}},
		Gravity:  &described, Source: bundle.Sources{made, files, bundle.Layout(layout)},
	}
	for _, name := range slices.Sorted(maps.Keys(application.Images)) {
		contents.Images = append(contents.Images, bundle.Image{Reference: name, Descriptor: found[application.Images[name]]})
	}
	if len(application.Files) > 0 {
		contents.Resources = folder(t, made, application.Files)
	}
	path := filepath.Join(t.TempDir(), "bundle.tar")
	if _, err := bundle.Write(t.Context(), path, contents, bundle.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// Layout is the folder of the runtimes.
func Layout(t *testing.T) string {
	t.Helper()
	if folder := os.Getenv(layoutVariable); folder != "" {
		return folder
	}
	cache, err := cachedir.Path("runtimes")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "layout")
}

func folder(t *testing.T, made bundle.Memory, files map[string]string) *v1.Descriptor {
	t.Helper()
	var content bytes.Buffer
	compressed, err := zstd.NewWriter(&content)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(compressed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatPAX}
		_, writeErr := 0, archive.WriteHeader(header)
		if writeErr == nil {
			_, writeErr = archive.Write([]byte(files[name]))
		}
		err = cmp.Or(err, writeErr)
	}
	for _, problem := range []error{err, archive.Close(), compressed.Close()} {
		if problem != nil {
			t.Fatal(problem)
		}
	}
	descriptor := made.Add(content.Bytes())
	return &v1.Descriptor{Digest: descriptor.Digest, Size: descriptor.Size}
}

// Machine starts a lab of one machine and extracts a bundle on it to /root/app.
func Machine(t *testing.T, name, path string) *lab.Machine {
	t.Helper()
	machine := start(t, lab.Options{Name: name, Count: 1, Log: t.Output()})[0]
	Extract(t, machine, path)
	return machine
}

// Extract extracts a bundle on a machine to /root/app.
func Extract(t *testing.T, machine *lab.Machine, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := machine.Run(t.Context(), lab.Command{Args: []string{"mkdir", "-p", "/root/app"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := machine.Run(t.Context(), lab.Command{Args: []string{"tar", "-x", "-C", "/root/app"}, Stdin: file}); err != nil {
		t.Fatal(err)
	}
}

// Diagnose writes what helps to see why a node does not come up.
func Diagnose(t *testing.T, machine *lab.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	for _, command := range []string{
		"export PATH=$PATH:/root/app:/root; gravity plan",
		"journalctl --no-pager -u gravity-master -u gravity-agent -n 50 -o cat",
		"gravity exec kubectl get nodes,pods -A -o wide",
		"gravity exec kubectl get events -A --sort-by=.lastTimestamp | tail -30",
		"gravity exec journalctl --no-pager -u registry -u kubelet -n 30 -o cat | grep -v ^I | cut -c1-300",
		"tail -30 /var/lib/gravity/log/kubeadm.log",
	} {
		result, err := machine.Run(ctx, lab.Command{Args: []string{"sh", "-c", command + " 2>&1"}})
		fmt.Fprintf(t.Output(), "--- %s (%v)\n%s\n", command, err, result.Stdout)
	}
}
