package debian

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// targets is what apt prints on a host with Debian's archives and two foreign
// ones.
const targets = "http://vendor.test/apt\tcloud\tmain\tVendor\n" +
	"http://mirror.test/debian/\tbookworm\tmain\tDebian\n" +
	"http://mirror.test/debian/\tbookworm\tcontrib\tDebian\n" +
	"http://mirror.test/debian/\tbookworm-updates\tmain\tDebian\n" +
	"http://mirror.test/security/\tbookworm-security\tmain\tDebian\n" +
	"http://other.test/security/\tbookworm-security\tmain\tDebian\n" +
	"a line of another shape\n"

func TestParseTargets(t *testing.T) {
	both := Mirrors{Main: "http://mirror.test/debian", Security: "http://mirror.test/security"}
	for _, test := range []struct {
		name, output string
		want         Mirrors
	}{
		{"Debian among others", targets, both},
		{"no security archive", "http://mirror.test/debian/\ttrixie\tmain\tDebian\n", Mirrors{Main: "http://mirror.test/debian"}},
		{"foreign archives only", "http://vendor.test/apt\tcloud\tmain\tVendor\n", Mirrors{}},
		{"no lists", "", Mirrors{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parseTargets([]byte(test.output))); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindMirrors(t *testing.T) {
	t.Setenv(MirrorVariable, "")
	t.Setenv(SecurityMirrorVariable, "")

	t.Run("of apt", func(t *testing.T) {
		fakeApt(t, "cat <<'END'\n"+targets+"END\n")
		mirrors, err := FindMirrors(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := "http://mirror.test/debian"; mirrors.Main != want {
			t.Errorf("main mirror %q, want %q", mirrors.Main, want)
		}
	})
	t.Run("of the environment", func(t *testing.T) {
		fakeApt(t, "exit 1\n")
		t.Setenv(MirrorVariable, "http://near.test/debian/")
		t.Setenv(SecurityMirrorVariable, "http://near.test/security/")
		mirrors, err := FindMirrors(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := Mirrors{Main: "http://near.test/debian", Security: "http://near.test/security"}
		if diff := cmp.Diff(want, mirrors); diff != "" {
			t.Errorf("mismatch (-want +got):\n%s", diff)
		}
	})
	t.Run("none", func(t *testing.T) {
		fakeApt(t, "exit 0\n")
		_, err := FindMirrors(t.Context())
		if !errors.Is(err, ErrNoMirror) {
			t.Fatalf("error %v, want %v", err, ErrNoMirror)
		}
		if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "apt-get update") {
			t.Errorf("hints %q do not name the command to run", hints)
		}
	})
	t.Run("apt fails", func(t *testing.T) {
		fakeApt(t, "echo 'E: broken lists' >&2; exit 100\n")
		if _, err := FindMirrors(t.Context()); err == nil || !strings.Contains(err.Error(), "E: broken lists") {
			t.Errorf("error %v does not say what apt said", err)
		}
	})
}

func TestSourceLines(t *testing.T) {
	lines := Mirrors{Main: "http://m.test/debian", Security: "http://m.test/security"}.SourceLines()
	const signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
	want := []string{
		"deb " + signed + "http://m.test/debian bookworm main",
		"deb " + signed + "http://m.test/debian bookworm-updates main",
		"deb " + signed + "http://m.test/security bookworm-security main",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if lines := (Mirrors{Main: "http://m.test/debian"}).SourceLines(); len(lines) != 2 {
		t.Errorf("%d lines without a security archive, want 2", len(lines))
	}
}

// fakeApt puts an apt-get that is a shell script first in PATH.
func fakeApt(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
