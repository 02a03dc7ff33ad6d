package recipe

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

var placeholder = regexp.MustCompile(`@[A-Z_]+@`)

func TestToolchainIsThatOfTheModule(t *testing.T) {
	file, err := os.Open(filepath.Join(checkout, "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if pinned, ok := strings.CutPrefix(lines.Text(), "toolchain "); ok {
			if pinned != Toolchain {
				t.Errorf("go.mod pins %s, the recipe %s", pinned, Toolchain)
			}
			return
		}
	}
	t.Errorf("go.mod pins no toolchain (%v)", lines.Err())
}

func TestToolsRun(t *testing.T) {
	set := tools{env: []string{"PATH=" + os.Getenv("PATH"), "ONLY=this"}}
	t.Setenv("LEAKS", "yes")
	output, err := set.run(t.Context(), "/", "sh", "-c", `echo "$ONLY, $LEAKS, $PWD"`)
	if err != nil || output != "this, , /\n" {
		t.Errorf("output %q (%v), want the given environment and folder", output, err)
	}
	_, err = set.run(t.Context(), "/", "sh", "-c", "seq 1 30 >&2; exit 4")
	wantError(t, err, "exit status 4\n  …\n  19\n")
	wantError(t, err, "\n  30")
}

// TestToolsRunEndsChildren cancels a command whose child holds its output.
func TestToolsRunEndsChildren(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if content, _ := os.ReadFile(pidFile); strings.HasSuffix(string(content), "\n") {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	set := tools{env: []string{"PATH=" + os.Getenv("PATH")}}
	began := time.Now()
	_, err := set.run(ctx, "/", "sh", "-c", "sleep 60 & echo $! > "+pidFile+"; wait")
	wantError(t, err, "signal: killed")
	if time.Since(began) > 30*time.Second {
		t.Error("the child was waited for")
	}
	content, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	for range 200 { // until init has reaped it
		if err := syscall.Kill(pid, 0); err != nil || zombie(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d still runs", pid)
}

// zombie tells whether a process has ended and was not reaped yet.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestLastLines(t *testing.T) {
	for output, want := range map[string]string{"": "", " \n": "", "one\n": "\n  one", "one\ntwo": "\n  one\n  two"} {
		if got := lastLines(output); got != want {
			t.Errorf("lastLines(%q) = %q, want %q", output, got, want)
		}
	}
}

// TestProgramsAreNamed compares what programs and images are called with the
// links that the layers have.
func TestProgramsAreNamed(t *testing.T) {
	b := &builder{catalogue: &runtime.Catalogue{SourceDate: sourceDate}}
	release := testRelease()
	kube := b.kubernetes(release)
	if kube.module != "kube/v1.37" || !strings.Contains(kube.ldflags(), "version.gitVersion=v1.37.2 ") || !strings.Contains(kube.ldflags(), "version.gitMinor=37 ") {
		t.Errorf("Kubernetes is compiled in %s by %s", kube.module, kube.ldflags())
	}
	programs := append(enginePrograms(release), kube, etcdProgram(release), addonsProgram(release), registryProgram(release))
	seen := make(map[string]bool)
	for _, p := range programs {
		for _, name := range append([]string{p.name}, p.links...) {
			if seen[name] {
				t.Errorf("two programs are called %s", name)
			}
			seen[name] = true
		}
		if strings.ContainsAny(p.title(), " /,") {
			t.Errorf("the title %q is no file name", p.title())
		}
		if _, err := os.Stat(filepath.Join(checkout, p.module, "go.mod")); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		if strings.Contains(p.ldflags(), "-extldflags=-static") != p.cgo {
			t.Errorf("%s is linked by %q", p.name, p.ldflags())
		}
	}
}
