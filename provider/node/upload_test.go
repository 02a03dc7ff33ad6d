package node

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

const digest = "sha256:0123"

// localNode is a server in the process, with a state directory of the test's.
func localNode(t *testing.T) (*sshtest.Server, *Node) {
	t.Helper()
	server := sshtest.New(t, sshtest.Options{Password: "password"})
	pool := connection.NewPool(connection.PoolOptions{})
	t.Cleanup(pool.Close)
	host, err := pool.Get(connection.Config{
		Host: "127.0.0.1", Port: server.Port, Password: "password", HostKey: server.HostKey, Timeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Release)
	node := New(host, Options{StateDir: t.TempDir(), RuntimeDir: t.TempDir()})
	node.firstPause = 10 * time.Millisecond
	return server, node
}

// randomFile writes a file that cannot be confused with a part of itself.
func randomFile(t *testing.T, size int) (string, []byte) {
	t.Helper()
	content := make([]byte, size)
	random := rand.New(rand.NewPCG(1, uint64(size)))
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	path := filepath.Join(t.TempDir(), "bundle.tar")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// progress notes where transfers began: where progress begins, goes back, or
// stays (the machine had got all that was sent). The end is told twice.
type progress struct {
	first []int64
	last  int64
}

func (p *progress) note(done, total int64) {
	if len(p.first) == 0 || done < p.last || done == p.last && done < total {
		p.first = append(p.first, done)
	}
	p.last = done
}

func checkUploaded(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("what arrived is not what was sent")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != filepath.Base(path) && name != "lock" && name != "holder" {
			t.Errorf("%s is left", name)
		}
	}
}

func TestUpload(t *testing.T) {
	for _, size := range []int{0, 1, 5 << 20} {
		_, node := localNode(t)
		path, content := randomFile(t, size)
		remote, err := node.Upload(t.Context(), Upload{Path: path, Digest: digest})
		if err != nil {
			t.Fatal(err)
		}
		if want := node.stateDir + "/uploads/0123/bundle.tar"; remote != want {
			t.Errorf("it is at %s instead of %s", remote, want)
		}
		checkUploaded(t, remote, content)
		info, err := os.Stat(remote)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode is %s: %v", info.Mode(), err)
		}
	}
}

func TestUploadOnce(t *testing.T) {
	_, node := localNode(t)
	path, _ := randomFile(t, 100_000)
	var seen progress
	for range 2 {
		seen = progress{}
		if _, err := node.Upload(t.Context(), Upload{Path: path, Digest: digest, Progress: seen.note}); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen.first) != 1 || seen.first[0] != 100_000 {
		t.Errorf("what was there was sent again, from %d", seen.first)
	}
	if err := node.RemoveUpload(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(node.stateDir + "/uploads/0123"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the upload is still there: %v", err)
	}
}

// TestUploadGoesOn loses the connection at many points.
func TestUploadGoesOn(t *testing.T) {
	// A connection has 2 MB on the way at most.
	const size, late = 6 << 20, 4 << 20
	path, content := randomFile(t, size)
	for _, after := range []int64{0, 100, 10_000, late, size - 1000, size + 1000} {
		server, node := localNode(t)
		var seen progress
		// A first command connects, so that the drop is in the upload.
		if _, err := node.runner.Run(t.Context(), connection.Command{Args: []string{"true"}}); err != nil {
			t.Fatal(err)
		}
		server.DropAfter(after)
		remote, err := node.Upload(t.Context(), Upload{Path: path, Digest: digest, Progress: seen.note})
		if err != nil {
			t.Fatalf("after %d bytes: %v", after, err)
		}
		checkUploaded(t, remote, content)
		if server.Dials() != 2 {
			t.Errorf("after %d bytes: %d connections were made", after, server.Dials())
		}
		if after == late && seen.first[len(seen.first)-1] == 0 {
			t.Errorf("after %d bytes it began anew: %d", after, seen.first)
		}
	}
}

// TestUploadDamaged: a part that is not the file's beginning is sent again.
func TestUploadDamaged(t *testing.T) {
	path, content := randomFile(t, 100_000)
	for name, part := range map[string][]byte{
		"other":     append([]byte("x"), content[1:50_000]...),
		"beginning": content[:50_000],
		"too long":  append(bytes.Clone(content), 'x'),
		"complete":  content,
	} {
		t.Run(name, func(t *testing.T) {
			_, node := localNode(t)
			directory := node.stateDir + "/uploads/0123"
			if err := os.MkdirAll(directory, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(directory+"/partial", part, 0o600); err != nil {
				t.Fatal(err)
			}
			var seen progress
			remote, err := node.Upload(t.Context(), Upload{Path: path, Digest: digest, Progress: seen.note})
			if err != nil {
				t.Fatal(err)
			}
			checkUploaded(t, remote, content)
			want := map[string]int64{"beginning": 50_000, "complete": 100_000}[name]
			if seen.first[0] != want {
				t.Errorf("it began at %d instead of %d", seen.first[0], want)
			}
		})
	}
}

// TestUploadTogether: who comes second waits, and then has nothing to send.
func TestUploadTogether(t *testing.T) {
	_, node := localNode(t)
	path, content := randomFile(t, 1<<20)
	var waited atomic.Int64
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			upload := Upload{
				Path: path, Digest: digest, Waiting: func() { waited.Add(1) },
				// The first one does not end before another has waited.
				Progress: func(done, total int64) {
					for done < total && waited.Load() == 0 && t.Context().Err() == nil {
						time.Sleep(time.Millisecond)
					}
				},
			}
			remote, err := node.Upload(t.Context(), upload)
			if err != nil {
				t.Error(err)
				return
			}
			checkUploaded(t, remote, content)
		})
	}
	running.Wait()
}

// TestUploadTakesOver: an upload whose client is gone without a word does not
// keep others out.
func TestUploadTakesOver(t *testing.T) {
	_, node := localNode(t)
	_, other := localNode(t)
	other.stateDir = node.stateDir
	node.stall = time.Second
	path, content := randomFile(t, 1<<20)
	ctx, cancel := context.WithCancel(t.Context())
	stands := make(chan struct{})
	var once sync.Once
	var running sync.WaitGroup
	running.Go(func() {
		_, _ = other.Upload(ctx, Upload{Path: path, Digest: digest, Progress: func(done, _ int64) {
			if done > 0 {
				once.Do(func() { close(stands) })
				<-ctx.Done()
			}
		}})
	})
	<-stands
	remote, err := node.Upload(t.Context(), Upload{Path: path, Digest: digest})
	if err != nil {
		t.Error(err)
	} else {
		checkUploaded(t, remote, content)
	}
	cancel()
	running.Wait()
}

func TestUploadOfNothing(t *testing.T) {
	_, node := localNode(t)
	if _, err := node.Upload(t.Context(), Upload{Path: t.TempDir() + "/missing", Digest: digest}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
	if _, err := node.Upload(t.Context(), Upload{Path: t.TempDir(), Digest: digest}); err == nil {
		t.Error("a folder was uploaded")
	}
	path, _ := randomFile(t, 1)
	for _, wrong := range []string{"", "..", "a/b", "-rf"} {
		if _, err := node.Upload(t.Context(), Upload{Path: path, Digest: wrong}); err == nil {
			t.Errorf("a file was uploaded as %q", wrong)
		}
	}
}
