package recipe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
)

const packageContent = "the package"

// fakeMirror answers with a list of statuses, the last again and again; 200
// comes with the content.
type fakeMirror struct {
	mutex    sync.Mutex
	statuses []int
	content  string
	asked    int
}

func (m *fakeMirror) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	status := m.statuses[min(m.asked, len(m.statuses)-1)]
	m.asked++
	if request.URL.Path != "/debian/pool/main/p/package.deb" {
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
	if status == http.StatusOK {
		_, _ = fmt.Fprint(w, m.content)
	}
}

func TestFetch(t *testing.T) {
	const gone = `fetch package package 1.0-1: the archive has it no longer`
	for _, test := range []struct {
		name           string
		archive        string
		main, security []int
		content        string
		fails          string // part of the error
		asked          [2]int // how often the mirrors are asked
	}{
		{"good", mainArchive, []int{200}, []int{404}, packageContent, "", [2]int{1, 0}},
		{"good, security", securityArchive, []int{404}, []int{200}, packageContent, "", [2]int{0, 1}},
		{"wandered to the main archive", securityArchive, []int{200}, []int{404}, packageContent, "", [2]int{1, 1}},
		{"overloaded, then good", mainArchive, []int{500, 503, 200}, []int{404}, packageContent, "", [2]int{3, 0}},
		{"overloaded", mainArchive, []int{500}, []int{404}, packageContent, "tried 4 times: the mirror answers 500 Internal Server Error", [2]int{4, 0}},
		{"gone", mainArchive, []int{404}, []int{410}, packageContent, gone, [2]int{1, 1}},
		{"gone, other overloaded", mainArchive, []int{404}, []int{500, 404}, packageContent, gone, [2]int{2, 2}},
		{"too long", mainArchive, []int{200}, []int{404}, packageContent + "!", "got 12 bytes with SHA-256 ", [2]int{4, 0}},
		{"far too long", mainArchive, []int{200}, []int{404}, strings.Repeat(packageContent, 1000), "got 12 bytes with SHA-256 ", [2]int{4, 0}},
		{"too short", mainArchive, []int{200}, []int{404}, packageContent[1:], "got 10 bytes with SHA-256 ", [2]int{4, 0}},
		{"another package", mainArchive, []int{200}, []int{404}, "The package", "the lock says 11 bytes with " + hexOf(packageContent), [2]int{4, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			mirrors := [2]*fakeMirror{{statuses: test.main, content: test.content}, {statuses: test.security, content: test.content}}
			folder := filepath.Join(t.TempDir(), "packages")
			files, err := testFetcher(t, mirrors).fetchAll(t.Context(), folder, []lockedPackage{lockedContent(test.archive)})
			if test.fails == "" {
				if err != nil {
					t.Fatal(err)
				}
				if content, err := os.ReadFile(files[0]); err != nil || string(content) != packageContent {
					t.Errorf("the file has %q (%v)", content, err)
				}
			} else {
				wantError(t, err, test.fails)
			}
			if errors.Is(err, ErrPackageGone) != (test.fails == gone) {
				t.Errorf("error %v: is %v: %t", err, ErrPackageGone, errors.Is(err, ErrPackageGone))
			}
			if hints := cli.Hints(err); (len(hints) > 0) != (test.fails == gone) {
				t.Errorf("hints %q", hints)
			}
			if test.fails == gone {
				wantHint(t, err, "make runtimes-lock")
			}
			if asked := [2]int{mirrors[0].asked, mirrors[1].asked}; asked != test.asked {
				t.Errorf("the mirrors were asked %v times, want %v", asked, test.asked)
			}
			entries, readErr := os.ReadDir(folder)
			if readErr != nil || len(entries) != map[bool]int{true: 1, false: 0}[test.fails == ""] {
				t.Errorf("the cache has %v (%v)", entries, readErr)
			}
		})
	}
}

func lockedContent(archive string) lockedPackage {
	return lockedPackage{
		Set: "build", Archive: archive, Name: "package", Version: "1.0-1", Arch: "amd64",
		SHA256: hexOf(packageContent), Size: int64(len(packageContent)), Path: "pool/main/p/package.deb",
	}
}

// testFetcher fetches from two mirrors without pauses.
func testFetcher(t *testing.T, mirrors [2]*fakeMirror) fetcher {
	t.Helper()
	var addresses [2]string
	for i, mirror := range mirrors {
		server := httptest.NewServer(mirror)
		t.Cleanup(server.Close)
		addresses[i] = server.URL + "/debian"
	}
	return fetcher{
		mirrors: func() (debian.Mirrors, error) {
			return debian.Mirrors{Main: addresses[0], Security: addresses[1]}, nil
		},
		pause: func(int) time.Duration { return 0 },
	}
}

func TestFetchAsksForNothingThatIsThere(t *testing.T) {
	folder := t.TempDir()
	p := lockedContent(mainArchive)
	want := filepath.Join(folder, p.SHA256+".deb")
	if err := os.WriteFile(want, []byte(packageContent), 0o644); err != nil {
		t.Fatal(err)
	}
	f := fetcher{mirrors: func() (debian.Mirrors, error) { return debian.Mirrors{}, errors.New("apt was asked") }}
	files, err := f.fetchAll(t.Context(), folder, []lockedPackage{p})
	if err != nil || files[0] != want {
		t.Errorf("files %q (%v), want %s", files, err, want)
	}
	p.SHA256 = hexOf("another")
	_, err = f.fetchAll(t.Context(), folder, []lockedPackage{p})
	wantError(t, err, "apt was asked")
}

func TestFetchStopsWhenTold(t *testing.T) {
	stopped := errors.New("the user pressed Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := testFetcher(t, [2]*fakeMirror{{statuses: []int{500}}, {statuses: []int{404}}})
	f.pause = func(int) time.Duration {
		cancel(stopped)
		return time.Hour
	}
	if _, err := f.fetchAll(ctx, t.TempDir(), []lockedPackage{lockedContent(mainArchive)}); !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
}
