package pull_test

import (
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// process pulls in another process.
func process(t *testing.T, folder string, references ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), executable)
	command.Env = append(os.Environ(), "PULL_TEST_CACHE="+folder, "PULL_TEST_IMAGES="+strings.Join(references, " "))
	command.Stderr = os.Stderr
	return command
}

func TestProcessesShareACache(t *testing.T) {
	s := serve(t)
	pushed := image(t, 1<<20, 3)
	a, b := s.push(t, "team/a:1", pushed), s.push(t, "team/b:1", pushed)
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			select { // so that the processes meet
			case <-r.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
		return false
	})
	folder := t.TempDir()
	var group sync.WaitGroup
	for range 3 {
		command := process(t, folder, a, b)
		group.Go(func() {
			if err := command.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := len(s.requests("/blobs/")); n != 4 {
		t.Errorf("%d requests for 4 blobs", n)
	}
	if left := partials(t, folder); left != nil {
		t.Errorf("partial files of %d bytes are left", left)
	}
	mustPull(t, cacheOf(t, folder), pull.Options{}, a, b)
}

func TestKilledProcess(t *testing.T) {
	s := serve(t)
	pushed := image(t, 1<<20, 1)
	reference := s.push(t, "killed:1", pushed)
	blob, content := layer(t, pushed)
	sent := make(chan struct{})
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, blob.Digest.String()) {
			return false
		}
		_, _ = w.Write(content[:700_000])
		w.(http.Flusher).Flush()
		close(sent)
		<-r.Context().Done()
		return true
	})
	folder := t.TempDir()
	command := process(t, folder, reference)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	<-sent
	for deadline := time.Now().Add(10 * time.Second); ; {
		if left := partials(t, folder); len(left) > 0 && slices.Max(left) >= 600_000 || time.Now().After(deadline) {
			break
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	_ = command.Process.Kill()
	_ = command.Wait()
	s.answer(nil)
	mustPull(t, cacheOf(t, folder), pull.Options{}, reference)
	got := s.requests(blob.Digest.String())
	if len(got) != 1 || !strings.HasPrefix(got[0].Header.Get("Range"), "bytes=") {
		t.Fatalf("requests %v", got)
	}
	t.Logf("continued by %s", got[0].Header.Get("Range"))
}
