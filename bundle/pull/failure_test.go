package pull_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// partials returns the sizes of files that are not complete.
func partials(t *testing.T, folder string) (sizes []int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "partial", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // completed since, by a process that is still pulling
		}
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	return sizes
}

// cut answers with the beginning of a blob and ends the connection.
func cut(w http.ResponseWriter, content []byte, length int) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content[:length])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestRetries(t *testing.T) {
	for _, status := range []int{408, 429, 500, 502, 503} {
		s := serve(t)
		reference := s.push(t, "flaky:1", image(t, 1000, 2))
		var failed atomic.Int32
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if failed.Add(1)%2 == 0 {
				return false
			}
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
			return true
		})
		folder := t.TempDir()
		mustPull(t, cacheOf(t, folder), pull.Options{Parallel: 1}, reference)
		if left := partials(t, folder); left != nil {
			t.Errorf("partial files of %d bytes are left", left)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	s := serve(t)
	reference := s.push(t, "busy:1", image(t, 100, 1))
	var first atomic.Bool
	s.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		if first.Swap(true) {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	begin := time.Now()
	mustPull(t, cacheOf(t, t.TempDir()), pull.Options{Retry: pull.Retry{Delay: time.Millisecond, Limit: 2 * time.Second}}, reference)
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it was asked again after %s", took)
	}
}

func TestRefusalsAreNotRetried(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		s := serve(t)
		reference := s.push(t, "team/closed:1", image(t, 1000, 1))
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/v2/" {
				return false
			}
			w.WriteHeader(status)
			return true
		})
		err := failure(t, t.TempDir(), reference)
		if n := len(s.requests("HEAD")); n > 2 || !strings.Contains(err.Error(), strconv.Itoa(status)) {
			t.Errorf("%d requests, error %v", n, err)
		}
	}
}

// TestCutConnections needs more connections than there are attempts, each of
// which brings something.
func TestCutConnections(t *testing.T) {
	s := serve(t)
	pushed := image(t, 1<<20, 1)
	reference := s.push(t, "cut:1", pushed)
	blob, content := layer(t, pushed)
	for _, ranges := range []bool{true, false} {
		var asked []string
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, blob.Digest.String()) {
				return false
			}
			asked = append(asked, r.Header.Get("Range"))
			n := len(asked)
			if !ranges {
				r.Header.Del("Range")
				if n == 3 {
					_, _ = w.Write(content)
				} else {
					cut(w, content, n*100_000)
				}
				return true
			}
			start, _ := strconv.Atoi(strings.Split(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")[0])
			if n > 1 {
				w.Header().Set("Content-Range", "bytes "+strconv.Itoa(start)+"-"+strconv.Itoa(len(content)-1)+"/"+strconv.Itoa(len(content)))
				w.Header().Set("Content-Length", strconv.Itoa(len(content)-start))
				w.WriteHeader(http.StatusPartialContent)
			}
			if n <= 6 {
				_, _ = w.Write(content[start : start+100_000])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(content[start:])
			return true
		})
		folder := t.TempDir()
		mustPull(t, cacheOf(t, folder), pull.Options{}, reference)
		if ranges && (len(asked) != 7 || !strings.HasPrefix(asked[6], "bytes=600000-")) || !ranges && (len(asked) != 3 || !strings.HasPrefix(asked[1], "bytes=100000-")) {
			t.Errorf("ranges %q", asked)
		}
		if left := partials(t, folder); left != nil {
			t.Errorf("partial files of %d bytes are left", left)
		}
	}
}

func TestWrongContents(t *testing.T) {
	s := serve(t)
	pushed := image(t, 10_000, 1)
	reference := s.push(t, "wrong:1", pushed)
	blob, content := layer(t, pushed)
	changed := append([]byte{content[0] ^ 1}, content[1:]...)
	for what, sent := range map[string][]byte{"do not match the digest": changed, "more than": append(changed, 0)} {
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, blob.Digest.String()) {
				return false
			}
			_, _ = w.Write(sent)
			return true
		})
		folder := t.TempDir()
		err := failure(t, folder, reference)
		if !strings.Contains(err.Error(), what) || err.Action != "get blob "+blob.Digest.String() {
			t.Errorf("error %v", err)
		}
		if left := partials(t, folder); left != nil {
			t.Errorf("partial files of %d bytes are left", left)
		}
		if _, err := cacheOf(t, folder).Open(t.Context(), blob.Digest); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	}
}

func TestWrongManifest(t *testing.T) {
	s := serve(t)
	reference := s.push(t, "wrong:1", image(t, 100, 1))
	for what, sent := range map[string]string{"have the digest": "{}", "more than": strings.Repeat(" ", pull.MaxManifestSize+1)} {
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			_, _ = w.Write([]byte(sent))
			return true
		})
		if err := failure(t, t.TempDir(), reference); !strings.Contains(err.Error(), what) {
			t.Errorf("error %v", err)
		}
	}
}

// TestDamagedPartialFile has a file that a power failure left.
func TestDamagedPartialFile(t *testing.T) {
	s := serve(t)
	pushed := image(t, 10_000, 1)
	reference := s.push(t, "damaged:1", pushed)
	blob, _ := layer(t, pushed)
	folder := t.TempDir()
	cache := cacheOf(t, folder)
	if err := os.WriteFile(filepath.Join(folder, "partial", blob.Digest.Hex+".partial"), make([]byte, 5000), 0o644); err != nil {
		t.Fatal(err)
	}
	mustPull(t, cache, pull.Options{}, reference)
	if left := partials(t, folder); left != nil {
		t.Errorf("partial files of %d bytes are left", left)
	}
}

// TestCancelled cancels in the middle of a blob, which is continued later.
func TestCancelled(t *testing.T) {
	s := serve(t)
	pushed := image(t, 1<<20, 1)
	reference := s.push(t, "cancelled:1", pushed)
	blob, content := layer(t, pushed)
	folder := t.TempDir()
	cache := cacheOf(t, folder)
	why := errors.New("the user went home")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, blob.Digest.String()) {
			return false
		}
		_, _ = w.Write(content[:500_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	watch := progressFunc(func(event pull.Event) {
		if event.Done >= 500_000 {
			cancel(why)
		}
	})
	if _, err := cache.Pull(ctx, requests(reference), pull.Options{Progress: watch}); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
	if left := partials(t, folder); len(left) != 1 || left[0] < 490_000 {
		t.Errorf("partial files %v", left)
	}
	s.answer(nil)
	mustPull(t, cache, pull.Options{}, reference)
	if got := s.requests(blob.Digest.String()); len(got) != 1 || got[0].Header.Get("Range") == "" {
		t.Errorf("requests %v", got)
	}
}

type progressFunc func(pull.Event)

func (f progressFunc) Pulled(event pull.Event) { f(event) }
