package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// slowly serves at most a part every few milliseconds, so that builds last long
// enough to be interrupted.
func slowly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&slowWriter{ResponseWriter: w, ctx: r.Context()}, r)
	})
}

type slowWriter struct {
	http.ResponseWriter
	ctx context.Context //nolint:containedctx // one request's
}

func (s *slowWriter) Write(content []byte) (int, error) {
	done := 0
	for done < len(content) {
		part := content[done:min(len(content), done+64<<10)]
		n, err := s.ResponseWriter.Write(part)
		done += n
		if err != nil {
			return done, err
		}
		select {
		case <-s.ctx.Done():
			return done, s.ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return done, nil
}

// interrupted is an application with three images of four megabytes in a slow
// registry, and a command that builds it.
type interrupted struct {
	dir, output string
	args        []string
}

func newInterrupted(t *testing.T) *interrupted {
	t.Helper()
	fast := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)))
	filling := httptest.NewServer(fast)
	slow := httptest.NewServer(slowly(fast))
	t.Cleanup(filling.Close)
	t.Cleanup(slow.Close)
	dir := t.TempDir()
	app := "apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata: {name: shop, resourceVersion: 1.0.0}\n"
	for _, name := range []string{"one", "two", "three"} {
		content := make([]byte, 4<<20)
		_, _ = rand.Read(content)
		image, err := mutate.AppendLayers(empty.Image,
			static.NewLayer(content[:3<<20], types.OCILayer), static.NewLayer(content[3<<20:], types.OCILayer))
		if err != nil {
			t.Fatal(err)
		}
		if err := pushImage(strings.TrimPrefix(filling.URL, "http://")+"/"+name+":1", image); err != nil {
			t.Fatal(err)
		}
		pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n  containers:\n  - {name: a, image: \"" +
			strings.TrimPrefix(slow.URL, "http://") + "/" + name + ":1\"}\n"
		writeFile(t, filepath.Join(dir, "app", name+".yaml"), pod)
	}
	writeFile(t, filepath.Join(dir, "app", "app.yaml"), app)
	if err := writeRuntimes(filepath.Join(dir, "runtimes")); err != nil {
		t.Fatal(err)
	}
	i := &interrupted{dir: dir, output: filepath.Join(dir, "out", "shop.tar")}
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	i.args = []string{
		"build", filepath.Join(dir, "app"), "-o", i.output, "--gravity", buildGravity(t),
		"--runtimes", filepath.Join(dir, "runtimes"), "--state-dir", filepath.Join(dir, "state"),
	}
	return i
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command is tele in a process of its own.
func (i *interrupted) command(t *testing.T, more ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	command := exec.CommandContext(t.Context(), self)
	command.Args = append([]string{"tele"}, append(i.args, more...)...)
	command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	command.Stdout, command.Stderr = &output, &output
	return command, &output
}

// TestBuildKilled kills builds at random moments: nothing is left where the
// bundle would be, and each build continues what the one before has fetched,
// until one completes the same bundle as one that was not interrupted.
func TestBuildKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds for some seconds")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := mathrand.New(mathrand.NewPCG(seed, 0))
	i := newInterrupted(t)
	killed := 0
	for attempt := range 60 {
		command, output := i.command(t)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(random.IntN(200+100*attempt))*time.Millisecond, func() { _ = command.Process.Kill() })
		err := command.Wait()
		timer.Stop()
		if err == nil {
			t.Logf("attempt %d completed after %d kills", attempt, killed)
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("%v\n%s", err, output)
		}
		killed++
		checkEmpty(t, filepath.Dir(i.output))
	}
	if _, err := os.Stat(i.output); err != nil {
		if command, output := i.command(t); command.Run() != nil {
			t.Fatalf("%s", output)
		}
	}
	whole := filepath.Join(i.dir, "whole.tar")
	command, output := i.command(t, "-o", whole, "--state-dir", filepath.Join(i.dir, "other"))
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if !bytes.Equal(readFile(t, whole), readFile(t, i.output)) {
		t.Error("the bundle differs from one that was built without interruption")
	}
	if left, err := os.ReadDir(filepath.Dir(i.output)); err != nil || len(left) != 1 {
		t.Errorf("beside the bundle there is something left: %v %v", left, err)
	}
	if killed == 0 {
		t.Error("no build was killed")
	}
	if scratch, _ := filepath.Glob(filepath.Join(i.dir, "state", "scratch-*")); len(scratch) > 0 {
		t.Errorf("left in the cache: %v", scratch)
	}
}

// TestBuildInterrupted wants that Ctrl-C ends a build at once and leaves
// nothing.
func TestBuildInterrupted(t *testing.T) {
	i := newInterrupted(t)
	command, output := i.command(t)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	// Before it pulls, it may not yet catch signals.
	for begun := false; !begun; time.Sleep(time.Millisecond) {
		partial, err := os.ReadDir(filepath.Join(i.dir, "state", "partial"))
		begun = err == nil && len(partial) > 0
	}
	if err := command.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := command.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Fatalf("%v\n%s", err, output)
	}
	if !strings.Contains(output.String(), "Build aborted after") {
		t.Errorf("output:\n%s", output)
	}
	checkEmpty(t, filepath.Dir(i.output))
}

func checkEmpty(t *testing.T, folder string) {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.Name() == ".shop.tar.partial" {
			continue // complete, and killed just before it was renamed; the next build removes it
		}
		t.Errorf("%s is left", file.Name())
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
