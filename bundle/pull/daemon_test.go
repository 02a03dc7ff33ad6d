package pull_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// daemon answers on a socket like dockerd, with images by their names. It
// returns the socket.
func daemon(t *testing.T, images map[string]v1.Image, hook http.HandlerFunc) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/images/json" {
			var listed []map[string]any
			for tag := range images {
				listed = append(listed, map[string]any{"Id": "sha256:1", "RepoTags": []string{tag, "<none>:<none>"}})
			}
			_ = json.NewEncoder(w).Encode(append(listed, map[string]any{"RepoTags": nil}))
			return
		}
		path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/images/"), "docker.io/library/")
		tag, what := filepath.Dir(path), filepath.Base(path)
		saved, ok := images[tag]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"message": "No such image: ` + tag + `"}`))
			return
		}
		if what == "json" {
			_, _ = w.Write([]byte(`{"Id": "sha256:1", "Size": 1000}`))
			return
		}
		parsed, err := name.NewTag(tag)
		if err != nil || tarball.Write(parsed, saved, w) != nil {
			t.Errorf("image %s was not sent", tag)
		}
	}
	if hook != nil {
		answer = hook
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(answer)}} //nolint:gosec // of a test
	server.Start()
	t.Cleanup(server.Close)
	return socket
}

func TestDaemon(t *testing.T) {
	saved := image(t, 1000, 2)
	socket := daemon(t, map[string]v1.Image{"web:1": saved, "team/db:2": image(t, 10, 1), "c:1": image(t, 10, 1)}, nil)
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	folder := t.TempDir()
	cache := cacheOf(t, folder)
	images, err := cache.Pull(t.Context(), []pull.Request{
		{Reference: "web:1", From: pull.Daemon{}},
		{Reference: "registry.example/web:1", From: pull.Daemon{Socket: socket, Tag: "web:1"}},
		{Reference: "team/db:2", From: pull.Daemon{Socket: socket, Tag: "team/db:2"}},
		{Reference: "c:1", From: pull.Daemon{Socket: socket}},
	}, pull.Options{})
	if err != nil || len(images[0].Blobs) != 4 || images[0].Descriptor.Digest != images[1].Descriptor.Digest {
		t.Fatalf("images %+v, error %v", images, err)
	}
	config, _ := saved.ConfigName()
	if images[0].Blobs[1].Digest != config {
		t.Errorf("the configuration is %s instead of %s", images[0].Blobs[1].Digest, config)
	}
	for _, image := range images {
		for _, blob := range image.Blobs {
			checkBlob(t, cache, blob)
		}
	}
	if left, err := os.ReadDir(filepath.Join(folder, "partial")); err != nil || len(left) != 0 {
		t.Errorf("%v is left, error %v", left, err)
	}
}

func TestDaemonFailures(t *testing.T) {
	socket := daemon(t, map[string]v1.Image{"web:1": image(t, 10, 1)}, nil)
	broken := daemon(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"message": "no space left"}`))
	})
	large := daemon(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"Size": 4000000000000000000}`))
	})
	short := daemon(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/json") {
			_, _ = w.Write([]byte(`{}`))
			return
		}
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(make([]byte, 1024))
	})
	dead := filepath.Join(t.TempDir(), "dead.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close()
	digest := "@sha256:" + strings.Repeat("1", 64)
	for _, test := range []struct {
		reference, socket, host string
		message, hint           string
	}{
		{"other:1", socket, "", "has no image docker.io/library/other:1", "docker pull"},
		{"web:1" + digest, socket, "", "no original manifest", "registry"},
		{"web:1", filepath.Join(t.TempDir(), "none.sock"), "", "no daemon answers at", "DOCKER_HOST=unix://"},
		{"web:1", dead, "", "no daemon answers at " + dead, "start it"},
		{"web:1", "", "tcp://10.0.0.1:2375", `DOCKER_HOST is "tcp://10.0.0.1:2375", which is no unix socket`, "docker save"},
		{"web:1", "", "unix://", "which is no unix socket", "unix:///path"},
		{"web:1", broken, "", `answered 500 Internal Server Error: "no space left"`, ""},
		{"web:1", large, "", "the images need 4000000000000.0 MB in the cache", "free "},
		{"web:1", short, "", "unexpected EOF", ""},
	} {
		t.Setenv("DOCKER_HOST", test.host)
		folder := t.TempDir()
		wanted := []pull.Request{{Reference: test.reference, From: pull.Daemon{Socket: test.socket}}}
		_, err := cacheOf(t, folder).Pull(t.Context(), wanted, pull.Options{})
		if err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("error %v, want %q", err, test.message)
		}
		if hints := strings.Join(cli.Hints(err), "\n"); !strings.Contains(hints, test.hint) || test.hint == "" && hints != "" {
			t.Errorf("hints %q for %v", hints, err)
		}
		if left, _ := os.ReadDir(filepath.Join(folder, "partial")); len(left) != 0 {
			t.Errorf("%v is left", left)
		}
	}
}

func TestDaemonOfSomebodyElse(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("becomes another user, as root")
	}
	socket := daemon(t, nil, nil)
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}
	for folder := filepath.Dir(socket); folder != os.TempDir(); folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o711); err != nil { //nolint:gosec // so that only the socket refuses
			t.Fatal(err)
		}
	}
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Dir(folder)} {
		if err := os.Chmod(path, 0o777); err != nil { //nolint:gosec // for the other user
			t.Fatal(err)
		}
	}
	command := process(t, folder, "web:1")
	program, err := os.ReadFile(command.Path)
	if err != nil {
		t.Fatal(err)
	}
	command.Path = filepath.Join(folder, "test")                       // where the other user may run it
	if err := os.WriteFile(command.Path, program, 0o755); err != nil { //nolint:gosec // so that it can be run
		t.Fatal(err)
	}
	command.Env = append(command.Env, "PULL_TEST_SOCKET="+socket)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	command.Stderr = nil
	output, err := command.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "may not be used") {
		t.Errorf("error %v: %s", err, output)
	}
}
