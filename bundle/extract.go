package bundle

import (
	"context"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/disk"
)

// Extract copies a blob of a source to the start of an empty file and checks
// it on the way: its size in bytes and its digest. Blocks are shared where the
// file system can. progress is told how many bytes each part had; nil for none.
// What the file has after an error is not defined.
func Extract(ctx context.Context, source BlobSource, digest v1.Hash, size int64, to *os.File, progress func(n int64)) error {
	if progress == nil {
		progress = func(int64) {}
	}
	c := &copier{to: to, buffer: make([]byte, bufferSize), wrote: progress}
	if err := c.copy(ctx, source, digest, size, 0); err != nil {
		return fmt.Errorf("blob %s: %w", digest, err)
	}
	return nil
}

// CheckSpace fails with a hint if the file system of a folder has less than the
// given bytes for what.
func CheckSpace(folder, what string, size int64) error {
	free, err := disk.Free(folder)
	if err != nil {
		return err
	}
	if free < size {
		return cli.WithHint(
			fmt.Errorf("%s needs %s, and %s has %s free", what, megabytes(size), folder, megabytes(free)),
			"free %s on the file system of %s", megabytes(size-free), folder)
	}
	return nil
}
