package bundle_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// smallDisk mounts a file system of the given size for the time of a test.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	return folder
}

func TestTooLittleSpaceIsFoundFirst(t *testing.T) {
	path := filepath.Join(smallDisk(t, "700k"), "shop.tar")
	contents := complete()
	large := contents.Source.(*blobs).layer(2 << 20)
	contents.Resources = &large
	_, err := bundle.Write(t.Context(), path, contents, bundle.Options{Progress: func(bundle.Progress) {
		t.Error("something was written")
	}})
	if err == nil || !strings.Contains(err.Error(), "needs 2.5 MB") || !strings.Contains(err.Error(), "has 0.7 MB free") {
		t.Errorf("error %v", err)
	}
	if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "free 1.8 MB") {
		t.Errorf("hints %q", hints)
	}
}

// TestDiskFillsUpMeanwhile has somebody else take the space after it was found
// to be enough.
func TestDiskFillsUpMeanwhile(t *testing.T) {
	folder := smallDisk(t, "700k")
	path := filepath.Join(folder, "shop.tar")
	contents := complete()
	program := contents.Gravity.Digest
	var once sync.Once
	contents.Source = onOpen(contents.Source, program, func() {
		once.Do(func() {
			if err := os.WriteFile(filepath.Join(folder, "other"), make([]byte, 700<<10), 0o644); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("the file system is not full: %v", err)
			}
		})
	})
	_, err := bundle.Write(t.Context(), path, contents, bundle.Options{Parallel: 1})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
	if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "the bundle needs 0.4 MB") {
		t.Errorf("hints %q", hints)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v is left, error %v", entries, err)
	}
}

// onOpen runs a function before a blob is opened.
func onOpen(source bundle.BlobSource, digest v1.Hash, run func()) bundle.BlobSource {
	return sourceFunc(func(ctx context.Context, wanted v1.Hash) (io.ReadCloser, error) {
		if wanted == digest {
			run()
		}
		return source.Open(ctx, wanted)
	})
}

type sourceFunc func(ctx context.Context, digest v1.Hash) (io.ReadCloser, error)

func (f sourceFunc) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	return f(ctx, digest)
}

// TestSourceOnAnotherDisk has files that the kernel does not copy by itself.
func TestSourceOnAnotherDisk(t *testing.T) {
	folder := smallDisk(t, "8m")
	contents := complete()
	first := readFile(t, write(t, contents))
	source := contents.Source.(*blobs)
	if err := os.CopyFS(folder, os.DirFS(string(asWritten(t, source).(bundle.Layout)))); err != nil {
		t.Fatal(err)
	}
	contents.Source = bundle.Layout(folder)
	if !bytes.Equal(first, readFile(t, write(t, contents))) {
		t.Error("two bundles of equal contents differ")
	}
}
