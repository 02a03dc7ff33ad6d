package bundle

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// Problem is something that is wrong with a bundle.
type Problem struct {
	// Entry is the name of the entry, empty for the end of the tar.
	Entry string
	// Owner is what the entry belongs to, such as "image
	// docker.io/library/nginx:1.27"; empty for entries that are no blobs.
	Owner string
	// Err says what is wrong.
	Err error
}

// Error returns entry, owner and what is wrong in one line.
func (p Problem) Error() string {
	name := "end of the file"
	if p.Entry != "" {
		name = "entry " + p.Entry
	}
	if p.Owner != "" {
		name += " of " + p.Owner
	}
	return fmt.Sprintf("%s: %v", name, p.Err)
}

// Unwrap returns what is wrong.
func (p Problem) Unwrap() error { return p.Err }

// Report is what Verify found.
type Report struct {
	// Digest is that of index.json.
	Digest v1.Hash
	// Entries, Blobs and Bytes count what was read.
	Entries, Blobs int
	Bytes          int64
	// Restored is how many bytes deltas gave.
	Restored int64
	// Lacking is how many blobs are in bases, of LackingBytes; Unchecked tells that
	// bases were not at hand, so that those were not checked, nor what is made of
	// them.
	Lacking      int
	LackingBytes int64
	Unchecked    bool
	// Problems are sorted by entry; none means that the bundle is complete and
	// nothing in it has changed since it was written.
	Problems []Problem
}

// maxShown is how many problems the message of a report's error has.
const maxShown = 10

// Err returns nil if there are no problems, or an error of one line for each of
// the first ten.
func (r *Report) Err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	var lines []error
	for _, problem := range r.Problems[:min(len(r.Problems), maxShown)] {
		lines = append(lines, problem)
	}
	if more := len(r.Problems) - maxShown; more > 0 {
		lines = append(lines, fmt.Errorf("and %d more problems", more))
	}
	return fmt.Errorf("bundle: %w", errors.Join(lines...))
}

// Verify reads all of a bundle and checks every byte: digests of entries and
// blobs, headers and padding of the tar, modes, that each blob is there once
// and belongs to something, and that nothing else is there. Of sparse indexes,
// the manifests that are marked as present must be. That the bundle is the one
// that its maker made is for a signature to say.
//
// The error is about the check itself, such as a cancelled context; what is
// wrong with the bundle is in the report. See Options for memory and
// parallelism.
func (b *Bundle) Verify(ctx context.Context, options Options) (*Report, error) {
	check := &verification{bundle: b, report: &Report{Digest: b.digest}}
	if err := check.run(ctx, options); err != nil {
		return nil, fmt.Errorf("verify bundle: %w", err)
	}
	problems := check.report.Problems
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Err.Error(), b.Err.Error()))
	})
	return check.report, nil
}

// verification is a run of Verify.
type verification struct {
	bundle *Bundle
	graph  graph
	lock   sync.Mutex
	report *Report
	// bad are the entries that have a problem already.
	bad map[string]bool
}

// add records a problem; the first one of each entry counts, since the others
// follow from it.
func (v *verification) add(name string, err error) {
	v.lock.Lock()
	defer v.lock.Unlock()
	if v.bad[name] {
		return
	}
	if v.bad == nil {
		v.bad = make(map[string]bool)
	}
	v.bad[name] = true
	problem := Problem{Entry: name, Err: err}
	if hex, ok := strings.CutPrefix(name, blobFolder+"/"); ok && v.graph.nodes != nil {
		if node := v.graph.nodes[v1.Hash{Algorithm: "sha256", Hex: hex}]; node != nil {
			problem.Owner = node.owner
		}
	}
	v.report.Problems = append(v.report.Problems, problem)
}

func (v *verification) run(ctx context.Context, options Options) error {
	known, damaged, err := v.findBlobs(ctx)
	if err != nil {
		return err
	}
	if err := v.bundle.store.checkAll(ctx, v.add); err != nil {
		return err
	}
	if err := v.hashAll(ctx, options); err != nil {
		return err
	}
	for _, problem := range damaged {
		v.add(problem.Entry, problem.Err)
	}
	if known {
		v.compareBlobs()
	}
	return v.restoreAll(ctx)
}

// findBlobs walks from index.json to all blobs. It tells whether it knows them
// all: nobody knows what is below a manifest that cannot be read.
func (v *verification) findBlobs(ctx context.Context) (known bool, damaged []Problem, err error) {
	found, err := walk(ctx, v.bundle, v.bundle.index.roots(), func(digest v1.Hash, owner string, err error) {
		damaged = append(damaged, Problem{Entry: blobName(digest.Hex), Owner: owner, Err: err})
	})
	if ctx.Err() != nil {
		return false, nil, context.Cause(ctx)
	}
	if err != nil {
		v.add(NameIndex, err)
		return false, damaged, nil
	}
	v.graph = found
	v.markLacking(damaged)
	return len(damaged) == 0, damaged, nil
}

// hashAll compares the contents of all entries and blobs with their digests.
func (v *verification) hashAll(ctx context.Context, options Options) error {
	count := options.counter(v.bundle.Size())
	buffers := sync.Pool{New: func() any { return make([]byte, bufferSize) }}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(options.parallel())
	check := func(name string, digest v1.Hash) {
		group.Go(func() error {
			buffer, _ := buffers.Get().([]byte)
			defer buffers.Put(buffer) //nolint:staticcheck // SA6002: one allocation more does not matter
			if err := v.hash(working, name, digest, buffer, count); err != nil {
				if working.Err() != nil {
					return context.Cause(working)
				}
				v.add(name, err)
			}
			return nil
		})
	}
	for _, entry := range v.bundle.Entries() {
		check(entry.Name, entry.Digest)
	}
	for _, row := range v.bundle.table.rows {
		if working.Err() != nil {
			break
		}
		check(blobName(row.hex), row.hash())
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v.report.Entries, v.report.Blobs = len(v.bundle.index.Entries), len(v.bundle.table.rows)
	v.report.Bytes = v.bundle.Size()
	return nil
}

func (v *verification) hash(ctx context.Context, name string, digest v1.Hash, buffer []byte, count func(string, int64)) error {
	blob, err := v.bundle.store.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("is missing")
	}
	if err != nil {
		return err
	}
	defer blob.Close()
	hasher := sha256.New()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := blob.Read(buffer)
		hasher.Write(buffer[:n])
		count(name, int64(n))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if sumOf(hasher) != digest {
		return &DamagedError{digest, errDigest}
	}
	return nil
}

// compareBlobs compares what is needed, what is listed and what is there.
func (v *verification) compareBlobs() {
	found, err := v.bundle.store.blobs()
	if err != nil {
		v.add(blobFolder, err)
		return
	}
	for hex := range found {
		digest := v1.Hash{Algorithm: "sha256", Hex: hex}
		switch {
		case v.graph.nodes[digest] == nil || v.graph.nodes[digest].absent:
			v.add(blobName(hex), errors.New("nothing in the bundle needs it"))
		case v.graph.nodes[digest].size != found[hex]:
			v.add(blobName(hex), fmt.Errorf("has %d bytes instead of %d", found[hex], v.graph.nodes[digest].size))
		}
	}
	for digest := range v.graph.nodes {
		if _, ok := found[digest.Hex]; !ok && !v.graph.nodes[digest].absent {
			v.add(blobName(digest.Hex), errors.New("is missing"))
		}
	}
	want := table{index: v.bundle.digest, rows: v.graph.order()}.encode()
	if !bytes.Equal(want, v.bundle.rawTable) {
		v.add(NameBlobs, errors.New("does not list the blobs that the bundle needs"))
	}
}
