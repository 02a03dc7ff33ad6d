package main

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gravity-platform/terraform-provider-gravity/internal/disk"
)

const (
	// largeImages of largeSize bytes each are built into one bundle.
	largeImages = 4
	largeSize   = 1 << 30
	// largeSpace is how many bytes must be free for that.
	largeSpace = 15e9
)

// single is a build that is measured once.
type single struct {
	// Bundle is the size of the bundle in bytes.
	Bundle int64 `json:"bundle"`
	figures
}

// large measures the memory that a large bundle takes; nil means that there is
// not enough space.
func (b *bench) large(ctx context.Context) (*single, error) {
	free, err := disk.Free(b.folder)
	if err != nil {
		return nil, err
	}
	if free < largeSpace {
		b.tell("the large bundle is left out: %s has %.1f GB free, it needs %.0f GB", b.folder, float64(free)/1e9, largeSpace/1e9)
		return nil, nil //nolint:nilnil // it says so
	}
	folder := filepath.Join(b.folder, "large")
	defer os.RemoveAll(folder)
	b.tell("making %d images of %d GB", largeImages, largeSize>>30)
	from, err := startSource(ctx, folder, largeImages, largeSize, true)
	if err != nil {
		return nil, err
	}
	defer from.close()
	application, err := b.application("large", from.Images)
	if err != nil {
		return nil, err
	}
	b.tell("building a bundle of them")
	return b.single(ctx, application, "--insecure="+from.Host)
}

// runtime measures a bundle that has nothing but a runtime and gravity, whose
// size it leaves out; nil means that there is none.
func (b *bench) runtime(ctx context.Context) (*single, error) {
	if _, err := os.Stat(filepath.Join(b.Runtimes, "index.json")); err != nil {
		b.tell("the runtime is left out: %v", err)
		return nil, nil //nolint:nilnil // it says so
	}
	application, err := b.application("runtime", nil)
	if err != nil {
		return nil, err
	}
	b.tell("building a bundle of a runtime")
	found, err := b.single(ctx, application, "--runtimes="+b.Runtimes)
	if err != nil {
		return nil, err
	}
	gravity, err := os.Stat(filepath.Join(filepath.Dir(b.Tele), "gravity"))
	if err != nil {
		return nil, err
	}
	found.Bundle -= gravity.Size()
	return found, nil
}

func (b *bench) single(ctx context.Context, application string, flags ...string) (*single, error) {
	folder := filepath.Join(b.folder, "trial")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	output := filepath.Join(folder, "bundle.tar")
	arguments := []string{"build", application, "-q", "-o", output, "--state-dir=" + filepath.Join(folder, "state")}
	syscall.Sync()
	took, err := run(ctx, b.Tele, append(arguments, flags...)...)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(output)
	if err != nil {
		return nil, err
	}
	return &single{Bundle: info.Size(), figures: took}, nil
}
