package hub_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// distribution is the program of CNCF distribution that runtimes have.
type distribution struct {
	program, folder, address string
	options                  string
	stop                     func()
}

// startDistribution starts the registry of the runtimes, with a store on disk.
func startDistribution(t *testing.T, options string) *distribution {
	t.Helper()
	folder := t.TempDir()
	d := &distribution{program: filepath.Join(folder, "registry"), folder: folder, options: options}
	extractRegistry(t, d.program)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.address = listener.Addr().String()
	_ = listener.Close()
	d.start(t)
	t.Cleanup(func() { d.stop() })
	return d
}

// extractRegistry takes the program out of a runtime that was built.
func extractRegistry(t *testing.T, path string) {
	t.Helper()
	layout, err := cachedir.Path("runtimes/layout")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string, value any) {
		content, err := os.ReadFile(filepath.Join(layout, name))
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("needs the registry of a runtime: run 'make runtimes'")
		}
		if err == nil {
			err = json.Unmarshal(content, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	blob := func(descriptor v1.Descriptor) string { return filepath.Join("blobs/sha256", descriptor.Digest.Hex) }
	var all, artifact v1.IndexManifest
	read("index.json", &all)
	for _, listed := range all.Manifests {
		if !strings.HasPrefix(listed.Annotations["org.opencontainers.image.ref.name"], runtime.Host+"/runtime:") {
			continue
		}
		read(blob(listed), &artifact)
		for _, image := range artifact.Manifests {
			var manifest v1.Manifest
			read(blob(image), &manifest)
			for _, layer := range manifest.Layers {
				if layer.Annotations["dev.gravity.layer"] == "registry" {
					extractFile(t, filepath.Join(layout, blob(layer)), "registry", path)
					return
				}
			}
		}
	}
	t.Fatal("no runtime has a registry")
}

// extractFile extracts a program of a layer by its name.
func extractFile(t *testing.T, layer, name, path string) {
	t.Helper()
	file, err := os.Open(layer)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if err != nil {
			t.Fatalf("find %s in its layer: %v", name, err)
		}
		if header.Typeflag != tar.TypeReg || filepath.Base(header.Name) != name {
			continue
		}
		program, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.CopyN(program, archive, header.Size)
		if err = errors.Join(err, program.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
}

// start starts the registry, and waits until it answers.
func (d *distribution) start(t *testing.T) {
	t.Helper()
	config := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nhttp: {addr: %q, secret: test}\n"+
		"storage: {filesystem: {rootdirectory: %q}, delete: {enabled: %s}}\n", d.address, d.folder+"/store", d.options)
	path := filepath.Join(d.folder, "config.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, d.program, "serve", path)
	command.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	var log strings.Builder
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	d.stop = func() {
		cancel()
		if ended != nil {
			<-ended
			ended = nil
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.address+"/v2/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			return
		}
		select {
		case err := <-ended:
			ended = nil
			t.Fatalf("the registry ended: %v\n%s", err, log.String())
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestDistribution(t *testing.T) {
	d := startDistribution(t, "true")
	testRegistry(t, d.address)
}

// TestGarbage collects garbage: a bundle stays as it is, whatever was pushed and
// removed beside it.
func TestGarbage(t *testing.T) {
	d := startDistribution(t, "true")
	connection := connect(t, "")
	path, other := write(t, shop("1.0.0")), write(t, shop("2.0.0"))
	for _, one := range []string{path, other} {
		if _, err := connection.Push(t.Context(), open(t, one), d.address+"/team", false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := connection.Remove(t.Context(), d.address+"/team/shop:2.0.0"); err != nil {
		t.Fatal(err)
	}
	d.stop()
	collect := exec.CommandContext(t.Context(), d.program, "garbage-collect", "--delete-untagged", filepath.Join(d.folder, "config.yml"))
	if output, err := collect.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	d.start(t)
	if got, err := pullTo(t, connect(t, ""), d.address+"/team/shop:1.0.0"); err != nil || got != readFile(t, path) {
		t.Errorf("after garbage was collected: %v", err)
	}
	if _, err := connection.Find(t.Context(), d.address+"/team/shop:2.0.0"); err == nil {
		t.Error("what was removed is there")
	}
}

// TestNoDeletion says what a hub does not do.
func TestNoDeletion(t *testing.T) {
	d := startDistribution(t, "false")
	connection := connect(t, "")
	if _, err := connection.Push(t.Context(), open(t, write(t, shop("1.0.0"))), d.address, false); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Remove(t.Context(), d.address+"/shop:1.0.0"); !errors.Is(err, hub.ErrCannotDelete) {
		t.Errorf("error %v", err)
	}
}

// TestInterruptedUpload ends the registry in the middle of a blob, several times;
// what it has of it is not sent again.
func TestInterruptedUpload(t *testing.T) {
	d := startDistribution(t, "true")
	path, state := write(t, shop("1.0.0")), t.TempDir()
	proxy := startCutting(t, d.address)
	for _, limit := range []int64{1 << 20, 600_000} {
		proxy.cut(limit)
		once := hub.Connect(hub.Options{Retry: fast, StateDir: state, Parallel: 1})
		_, err := once.Push(t.Context(), open(t, path), proxy.host(), false)
		once.Close()
		if err == nil {
			t.Fatal("the connection was not cut")
		}
	}
	proxy.cut(-1)
	if _, err := connect(t, state).Push(t.Context(), open(t, path), proxy.host(), false); err != nil {
		t.Fatal(err)
	}
	if sent := proxy.sent.Load(); sent > 4<<20 {
		t.Errorf("%d bytes were sent, of a bundle that has 3.3 MB", sent)
	}
	if got, err := pullTo(t, connect(t, ""), d.address+"/shop:1.0.0"); err != nil || got != readFile(t, path) {
		t.Errorf("what was pulled is not what was pushed: %v", err)
	}
}
