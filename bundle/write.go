package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/archive"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/disk"
)

// Progress tells how far a long operation is.
type Progress struct {
	// Done and Total are bytes.
	Done, Total int64
	// Entry is the entry that was worked on last.
	Entry string
}

// Options are settings of Write and Verify; the zero value is good.
type Options struct {
	// Progress is called about every megabyte, never by two goroutines at once,
	// and must return soon; nil for none.
	Progress func(Progress)
	// Parallel is how many blobs are read at a time; zero means one for each
	// processor, but no more than four. Each takes a megabyte of memory.
	Parallel int
}

func (o Options) parallel() int {
	if o.Parallel > 0 {
		return o.Parallel
	}
	return min(4, runtime.GOMAXPROCS(0))
}

// counter returns a function that counts bytes and reports them.
func (o Options) counter(total int64) func(entry string, n int64) {
	if o.Progress == nil {
		return func(string, int64) {}
	}
	var lock sync.Mutex
	var done int64
	return func(entry string, n int64) {
		lock.Lock()
		defer lock.Unlock()
		done += n
		o.Progress(Progress{Done: done, Total: total, Entry: entry})
	}
}

// Written describes a bundle that was written.
type Written struct {
	// Size is the length of the file in bytes.
	Size int64
	// Digest is that of index.json, which identifies the bundle.
	Digest v1.Hash
	// Blobs is how many there are.
	Blobs int
}

// Write makes a bundle (S02, S03). The file appears under its name, in place of
// one that has it, only when it is complete and on disk; an error, a cancelled
// context and a killed process leave what was there before. Blobs go from the
// source to their places in pieces and are checked on the way; several are
// copied at a time. Equal contents give equal bytes.
//
// Errors name the entry, blob or image. That there is not enough space is found
// before anything is written.
func Write(ctx context.Context, path string, contents Contents, options Options) (Written, error) {
	draft, err := Plan(ctx, contents)
	if err != nil {
		return Written{}, fmt.Errorf("bundle %s: %w", path, err)
	}
	return draft.Write(ctx, path, options)
}

// item is an entry with its place in the file.
type item struct {
	entry archive.Entry
	// headers precede the contents.
	headers []byte
	// content is set for small entries; others come from the source.
	content []byte
	digest  v1.Hash
	owner   string
}

// order lists the names of a bundle's entries before gravity and the blobs.
var order = []string{
	NameReadme, NameManifest, "install", "run_preflight_checks", "upgrade", "upload", NameDatabase,
	folders[0], NameLayout, NameIndex, NameSignature, NameBlobs,
}

// place gives every entry its place, and returns the size of the file.
func (d *draft) place() (items []item, size int64, err error) {
	add := func(header archive.Header, more item) {
		headers, encodeErr := archive.Encode(header, size)
		err = errors.Join(err, encodeErr)
		more.headers = headers
		more.entry = archive.Entry{Header: header, Start: size, Offset: size + int64(len(headers))}
		size = archive.RoundUp(more.entry.End())
		items = append(items, more)
	}
	folder := func(name string) { add(archive.Header{Name: name, Mode: 0o755, Directory: true}, item{}) }
	for _, name := range order {
		content, ok := d.small[name]
		switch {
		case name == folders[0]:
			folder(name)
		case ok:
			add(archive.Header{Name: name, Mode: modes[name], Size: int64(len(content))}, item{content: content})
		}
	}
	if program, ok := d.index.Entries[NameGravity]; ok {
		header := archive.Header{Name: NameGravity, Mode: modes[NameGravity], Size: program.Size, Aligned: true}
		add(header, item{digest: program.Digest, owner: NameGravity})
	}
	folder(folders[1])
	folder(folders[2])
	for _, row := range d.graph.order() {
		add(blobHeader(row.hex, row.size), item{digest: row.hash(), owner: d.graph.nodes[row.hash()].owner})
	}
	return items, size + archive.TrailerSize, err
}

// fill writes all entries.
func (d *draft) fill(ctx context.Context, output *os.File, items []item, options Options) error {
	var total int64
	for _, item := range items {
		if item.owner != "" {
			total += item.entry.Size
		}
	}
	count := options.counter(total)
	buffers := sync.Pool{New: func() any { return make([]byte, bufferSize) }}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(options.parallel())
	for _, item := range items {
		if working.Err() != nil {
			break
		}
		group.Go(func() error {
			if _, err := output.WriteAt(append(item.headers, item.content...), item.entry.Start); err != nil {
				return fmt.Errorf("entry %s: %w", item.entry.Name, &writeError{err})
			}
			if item.owner == "" {
				return nil
			}
			buffer, _ := buffers.Get().([]byte)
			defer buffers.Put(buffer) //nolint:staticcheck // SA6002: one allocation more does not matter
			c := &copier{to: output, buffer: buffer, wrote: func(n int64) { count(item.entry.Name, n) }}
			if err := c.copy(working, d.source, item.digest, item.entry.Size, item.entry.Offset); err != nil {
				return fmt.Errorf("%s: blob %s: %w", item.owner, item.digest, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// checkSpace fails if a file system has less than the given bytes.
func checkSpace(folder string, size int64) error {
	free, err := disk.Free(folder)
	if err != nil {
		return err
	}
	if free < size {
		return cli.WithHint(
			fmt.Errorf("needs %s, and %s has %s free", megabytes(size), folder, megabytes(free)),
			"free %s, or write the bundle elsewhere", megabytes(size-free))
	}
	return nil
}

// explainFull tells what a disk that filled up meanwhile means.
func explainFull(err error, path string, size int64) error {
	var failed *writeError
	if !errors.As(err, &failed) || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return cli.WithHint(err, "the bundle needs %s in %s", megabytes(size), filepath.Dir(path))
}

func megabytes(size int64) string {
	return fmt.Sprintf("%.1f MB", float64(size)/1e6)
}
