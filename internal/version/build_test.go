package version

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const mainSource = `package main

import (
	"encoding/json"
	"os"

	"example.test/program/version"
)

func main() { _ = json.NewEncoder(os.Stdout).Encode(version.Get()) }
`

// TestBuild builds a program with this package in a repository of its own, as
// the makefile does: what the linker records is known only by trying.
func TestBuild(t *testing.T) {
	repository := newRepository(t)
	commit := strings.TrimSpace(command(t, repository, "git", "rev-parse", "HEAD"))
	const date = "2026-01-02T03:04:05Z"

	check(t, "clean", build(t, repository, "-buildvcs=true"), commit, date)

	write(t, filepath.Join(repository, "README"), "changed\n")
	check(t, "changed", build(t, repository, "-buildvcs=true"), commit+"-dirty", date)

	release := build(t, repository, "-buildvcs=true", "-ldflags=-X example.test/program/version.Number=v3.2.1")
	if release.Version != "3.2.1" {
		t.Errorf("version set at link time is %q, want 3.2.1", release.Version)
	}

	if err := os.RemoveAll(filepath.Join(repository, ".git")); err != nil {
		t.Fatal(err)
	}
	check(t, "source archive", build(t, repository, "-buildvcs=auto"), "unknown", "unknown")
}

func newRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source, err := os.ReadFile("version.go")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), "module example.test/program\n\ngo 1.26.0\n")
	write(t, filepath.Join(dir, "main.go"), mainSource)
	write(t, filepath.Join(dir, "README"), "\n")
	write(t, filepath.Join(dir, ".gitignore"), "/bin/\n")
	write(t, filepath.Join(dir, "version", "version.go"), string(source))
	command(t, dir, "git", "init", "--quiet")
	command(t, dir, "git", "add", ".")
	command(t, dir, "git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.test",
		"commit", "--quiet", "--no-gpg-sign", "--message=test")
	return dir
}

func build(t *testing.T, dir string, flags ...string) Info {
	t.Helper()
	program := filepath.Join(dir, "bin", "program")
	command(t, dir, "go", append(append([]string{"build", "-trimpath", "-o", program}, flags...), ".")...)
	var info Info
	if err := json.Unmarshal([]byte(command(t, dir, program)), &info); err != nil {
		t.Fatal(err)
	}
	return info
}

func check(t *testing.T, name string, info Info, commit, date string) {
	t.Helper()
	if info.Commit != commit || info.Date != date {
		t.Errorf("%s: commit %s of %s, want %s of %s", name, info.Commit, info.Date, commit, date)
	}
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	// The commit's time is not UTC: what the program prints must be.
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_DATE=2026-01-02T05:04:05+02:00", "GIT_COMMITTER_DATE=2026-01-02T05:04:05+02:00")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(output)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
