package bundle_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// childOutput is set in the process that is killed while it writes a bundle to
// this path.
const childOutput = "BUNDLE_TEST_OUTPUT"

func TestMain(m *testing.M) {
	if path := os.Getenv(childOutput); path != "" {
		contents := complete()
		contents.Source = stuck{contents.Source, func() { fmt.Println("stuck") }, make(chan struct{})}
		_, err := bundle.Write(context.Background(), path, contents, bundle.Options{})
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// stuck is a source that hands out half of one layer and then waits for a
// release, or for the context.
type stuck struct {
	bundle.BlobSource
	reached func()
	release chan struct{}
}

func (s stuck) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	blob, err := s.BlobSource.Open(ctx, digest)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(blob)
	if err != nil || len(content) != 100_000 {
		return io.NopCloser(strings.NewReader(string(content))), err
	}
	wait := readerFunc(func([]byte) (int, error) {
		s.reached()
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-s.release:
			return 0, errors.New("released")
		}
	})
	return io.NopCloser(io.MultiReader(strings.NewReader(string(content[:50_000])), wait)), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestKilledWriterLeavesNothing kills a process in the middle of a blob.
func TestKilledWriterLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "shop.tar")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), program)
	child.Env = append(os.Environ(), childOutput+"="+path)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "stuck\n" {
		t.Errorf("the child printed %q, error %v", line, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: error %v", path, err)
	}
	if _, err := bundle.Write(t.Context(), path, complete(), bundle.Options{}); err != nil {
		t.Fatal(err)
	}
	checkOnly(t, path)
}

// checkOnly checks that a folder has a good bundle and nothing else.
func checkOnly(t *testing.T, path string) {
	t.Helper()
	if err := verify(t, path); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the bundle: %v, error %v", entries, err)
	}
}

// TestCancelledWriteKeepsTheOldFile cancels in the middle of a blob.
func TestCancelledWriteKeepsTheOldFile(t *testing.T) {
	path := write(t, complete())
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("somebody pressed a key")
	contents := complete()
	contents.Source = stuck{contents.Source, func() { cancel(reason) }, nil}
	_, err := bundle.Write(ctx, path, contents, bundle.Options{})
	if !errors.Is(err, reason) {
		t.Errorf("error %v, want %v", err, reason)
	}
	checkOnly(t, path)
}

// TestFailedWriteNamesTheImage has sources that are wrong in each way.
func TestFailedWriteNamesTheImage(t *testing.T) {
	for name, wrong := range map[string]func([]byte) []byte{
		"shorter":          func(content []byte) []byte { return content[:len(content)-1] },
		"longer":           func(content []byte) []byte { return append(slices.Clip(content), 'x') },
		"other contents":   func(content []byte) []byte { return append(slices.Clip(content[:len(content)-1]), 'x') },
		"not there at all": nil,
	} {
		for _, asFiles := range []bool{false, true} {
			contents := complete()
			source := contents.Source.(*blobs)
			for digest, content := range source.Memory {
				if len(content) == 70_001 && wrong == nil {
					delete(source.Memory, digest)
				} else if len(content) == 70_001 {
					source.Memory[digest] = wrong(content)
				}
			}
			if asFiles {
				contents.Source = asWritten(t, source)
			}
			path := filepath.Join(t.TempDir(), "shop.tar")
			_, err := bundle.Write(t.Context(), path, contents, bundle.Options{})
			if err == nil || !strings.Contains(err.Error(), "image docker.io/library/nginx:1.27") {
				t.Errorf("%s: error %v", name, err)
			}
			if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 0 {
				t.Errorf("%s: %v is left", name, entries)
			}
		}
	}
}

// asWritten stores blobs as a layout's files, whatever is in them.
func asWritten(t testing.TB, source *blobs) bundle.BlobSource {
	t.Helper()
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	for digest, content := range source.Memory {
		if err := os.WriteFile(filepath.Join(folder, "blobs", "sha256", digest.Hex), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return bundle.Layout(folder)
}
