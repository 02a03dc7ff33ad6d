package bundle_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/database"
)

// forms are all ways in which a bundle lies around.
func forms(t *testing.T, path string) map[string]string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "a folder")
	extract(t, path, folder)
	again := filepath.Join(t.TempDir(), "again.tar")
	gnuTar(t, "-C", folder, "-cf", again, ".")
	posix := filepath.Join(t.TempDir(), "posix.tar")
	gnuTar(t, "-C", folder, "--format=pax", "-cf", posix, "packages", "upload", "upgrade", "README", "app.yaml",
		"gravity", "gravity.db", "install", "run_preflight_checks")
	return map[string]string{"tar": path, "folder": folder, "GNU tar": again, "pax": posix}
}

func extract(t testing.TB, path, folder string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if output := gnuTar(t, "-C", folder, "-xf", path); output != "" {
		t.Errorf("tar printed %q", output)
	}
}

// gnuTar runs tar and returns what it printed.
func gnuTar(t testing.TB, arguments ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "tar", arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("tar %s: %v: %s", strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

func TestRoundTrip(t *testing.T) {
	contents := complete()
	for name, path := range forms(t, write(t, contents)) {
		t.Run(name, func(t *testing.T) {
			if err := verify(t, path); err != nil {
				t.Fatal(err)
			}
			opened := open(t, path)
			checkIndex(t, opened.Index())
			text, err := opened.Manifest()
			if err != nil || string(text) != manifestText {
				t.Errorf("manifest %q, error %v", text, err)
			}
			checkBlobs(t, opened, contents)
		})
	}
}

func checkIndex(t *testing.T, index *bundle.Index) {
	t.Helper()
	var got []string
	got = append(got, index.Reference(), index.Version, index.Platform.String())
	for _, image := range index.Images {
		line := image.Reference
		if image.Sparse() {
			line += " sparse"
		}
		got = append(got, line)
	}
	for _, listed := range index.Runtimes {
		line := listed.Version
		if listed.Embedded {
			line += " embedded"
		}
		got = append(got, line)
	}
	want := []string{
		"gravity.local/app/shop:1.2.3_build.4", "1.2.3+build.4", "linux/amd64",
		"docker.io/library/again:1.27", "docker.io/library/nginx:1.27", "docker.io/library/sparse:1 sparse", "quay.example/team/web:2.0",
		"1.37.2", "1.35.4 embedded", "1.36.3 embedded",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if index.SBOM == nil {
		t.Error("no bill of materials")
	}
}

func checkBlobs(t *testing.T, opened *bundle.Bundle, contents bundle.Contents) {
	t.Helper()
	for digest, size := range opened.Blobs() {
		reader, err := opened.Open(t.Context(), digest)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err := errors.Join(err, reader.Close()); err != nil {
			t.Fatal(err)
		}
		if got, _, _ := v1.SHA256(bytes.NewReader(content)); got != digest || int64(len(content)) != size {
			t.Errorf("blob %s has other contents", digest)
		}
	}
	for _, image := range contents.Images {
		if _, ok := opened.Blobs()[image.Descriptor.Digest]; !ok {
			t.Errorf("image %s is not there as it was", image.Reference)
		}
	}
	if _, err := opened.Blob(v1.Hash{Algorithm: "sha256", Hex: hexOf('a')}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

// TestTarListsWhatTheGuideLists looks at a bundle with the eyes of GNU tar.
func TestTarListsWhatTheGuideLists(t *testing.T) {
	path := write(t, complete())
	var got []string
	for line := range strings.Lines(gnuTar(t, "--numeric-owner", "-tvf", path)) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(fields[5], "packages/blobs/sha256/") || fields[0][0] == 'd' {
			got = append(got, fields[0]+" "+fields[1]+" "+fields[5])
		}
	}
	want := []string{
		"-rw-r--r-- 0/0 README",
		"-rw-r--r-- 0/0 app.yaml",
		"-rwxr-xr-x 0/0 install",
		"-rwxr-xr-x 0/0 run_preflight_checks",
		"-rwxr-xr-x 0/0 upgrade",
		"-rwxr-xr-x 0/0 upload",
		"-rw------- 0/0 gravity.db",
		"drwxr-xr-x 0/0 packages/",
		"-rw-r--r-- 0/0 packages/oci-layout",
		"-rw-r--r-- 0/0 packages/index.json",
		"-rw-r--r-- 0/0 packages/blobs.txt",
		"-rwxr-xr-x 0/0 gravity",
		"drwxr-xr-x 0/0 packages/blobs/",
		"drwxr-xr-x 0/0 packages/blobs/sha256/",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestBlobsLieAligned(t *testing.T) {
	opened := open(t, write(t, complete()))
	for digest := range opened.Blobs() {
		blob, err := opened.Blob(digest)
		if err != nil {
			t.Fatal(err)
		}
		file, offset, _ := blob.FileRange()
		if file == nil || offset%4096 != 0 {
			t.Errorf("blob %s lies at byte %d", digest, offset)
		}
		if err := blob.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDatabase(t *testing.T) {
	opened := open(t, write(t, complete()))
	path := filepath.Join(t.TempDir(), "gravity.db")
	if err := opened.CopyEntry(t.Context(), bundle.NameDatabase, path); err != nil {
		t.Fatal(err)
	}
	read, err := database.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(opened.Blobs(), read.Blobs); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	var got []string
	for _, listed := range read.Packages {
		got = append(got, listed.Type+" "+listed.Name+" "+listed.Labels["intermediate-upgrade"]+listed.Labels["sparse"])
	}
	want := []string{
		"image docker.io/library/again:1.27 ",
		"image docker.io/library/nginx:1.27 ",
		"image docker.io/library/sparse:1 true",
		"application gravity.local/app/shop:1.2.3_build.4 ",
		"runtime gravity.local/runtime:1.35.4 1.35.4",
		"runtime gravity.local/runtime:1.36.3 1.36.3",
		"runtime gravity.local/runtime:1.37.2 ",
		"sbom gravity.local/sbom/shop:1.2.3_build.4 ",
		"image quay.example/team/web:2.0 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// TestCopyEntry copies from each form of a bundle, over an older file, and does
// not copy what has changed.
func TestCopyEntry(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	path := write(t, complete())
	for form, path := range forms(t, path) {
		target := filepath.Join(t.TempDir(), "gravity")
		if err := os.WriteFile(target, []byte("older"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(t, path).CopyEntry(t.Context(), bundle.NameGravity, target); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(target)
		if err != nil || info.Mode() != 0o755 || !strings.HasPrefix(string(readFile(t, target)), "#!/bin/sh") {
			t.Errorf("%s: %v, error %v", form, info, err)
		}
	}
	folder := t.TempDir()
	extract(t, path, folder)
	if err := change("gravity")(folder); err != nil {
		t.Fatal(err)
	}
	opened, target := open(t, folder), filepath.Join(t.TempDir(), "gravity")
	if err := opened.CopyEntry(t.Context(), bundle.NameGravity, target); err == nil || !strings.Contains(err.Error(), "entry gravity") {
		t.Errorf("error %v", err)
	}
	if err := opened.CopyEntry(t.Context(), "other", target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that changed was copied: %v", err)
	}
}
