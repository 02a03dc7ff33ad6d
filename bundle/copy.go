package bundle

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	// bufferSize is how much of a blob is in memory at a time, in bytes.
	bufferSize = 1 << 20
	// rangeSize is how much the kernel copies at a time, in bytes: a multiple of
	// any file system's block, and small enough to be still cached when it is
	// read again.
	rangeSize = 8 << 20
	// unreadSize is how much the kernel copies at a time of what nobody reads.
	unreadSize = 64 << 20
)

// copier copies blobs to their places in a file and checks them on the way. It
// is for one goroutine.
type copier struct {
	to     *os.File
	buffer []byte
	// wrote is told after every part how many bytes it had.
	wrote func(n int64)
}

// copy copies a blob to an offset. An error is about the source or the
// contents, or a *writeError.
func (c *copier) copy(ctx context.Context, source BlobSource, digest v1.Hash, size, offset int64) error {
	blob, err := source.Open(ctx, digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	hasher, good := check(blob, digest)
	file, start, length := rangeOf(blob)
	if file != nil && length != size {
		return &DamagedError{digest, fmt.Errorf("the source has %d bytes instead of %d", length, size)}
	}
	if file != nil {
		err = c.copyFile(ctx, hasher, file, start, size, offset)
	} else {
		err = c.copyStream(ctx, hasher, blob, size, offset)
	}
	if errors.Is(err, errLength) {
		return &DamagedError{digest, err}
	}
	if err != nil {
		return err
	}
	if !good() {
		return &DamagedError{digest, errDigest}
	}
	return nil
}

// errLength tells that a source has more or less than a blob should have.
var errLength = errors.New("the source has another length")

// check returns what the contents that arrive are written to, and what says
// whether they are right.
func check(blob io.Reader, digest v1.Hash) (hasher hash.Hash, good func() bool) {
	if checked, ok := blob.(vouched); ok {
		seed, sum := checked.Vouch()
		quick := &maphash.Hash{}
		quick.SetSeed(seed)
		return quick, func() bool { return quick.Sum64() == sum }
	}
	hasher = sha256.New()
	return hasher, func() bool { return sumOf(hasher) == digest }
}

// rangeOf returns the part of a file that a blob is, or nil.
func rangeOf(blob io.Reader) (file *os.File, offset, length int64) {
	switch blob := blob.(type) {
	case *os.File:
		if info, err := blob.Stat(); err == nil && info.Mode().IsRegular() {
			return blob, 0, info.Size()
		}
	case fileRanger:
		return blob.FileRange()
	}
	return nil, 0, 0
}

// copyStream reads a blob to its end.
func (c *copier) copyStream(ctx context.Context, hasher hash.Hash, blob io.Reader, size, offset int64) error {
	var done int64
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := io.ReadFull(blob, c.buffer)
		if int64(n) > size-done {
			return fmt.Errorf("%w: more than %d bytes", errLength, size)
		}
		if writeErr := c.write(hasher, c.buffer[:n], offset+done); writeErr != nil {
			return writeErr
		}
		done += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if done != size {
				return fmt.Errorf("%w: %d bytes instead of %d", errLength, done, size)
			}
			return nil
		case err != nil:
			return err
		}
	}
}

func (c *copier) write(hasher hash.Hash, content []byte, offset int64) error {
	if _, err := c.to.WriteAt(content, offset); err != nil {
		return &writeError{err}
	}
	startWriteback(c.to, offset, int64(len(content)))
	hasher.Write(content)
	c.wrote(int64(len(content)))
	return nil
}

// copyFile lets the kernel copy, and reads what arrived: that is what counts,
// and it is in memory.
func (c *copier) copyFile(ctx context.Context, hasher hash.Hash, from *os.File, start, size, offset int64) error {
	inKernel := true
	for done := int64(0); done < size; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if inKernel {
			n, err := copyRange(c.to, offset+done, from, start+done, min(rangeSize, size-done))
			if err == nil {
				err = c.readBack(hasher, offset+done, n)
				startWriteback(c.to, offset+done, n)
				done += n
			}
			if errors.Is(err, errors.ErrUnsupported) {
				inKernel = false
				continue
			}
			if err != nil {
				return &writeError{err}
			}
			continue
		}
		part := c.buffer[:min(int64(len(c.buffer)), size-done)]
		if _, err := io.ReadFull(io.NewSectionReader(from, start+done, size-done), part); err != nil {
			return err
		}
		if err := c.write(hasher, part, offset+done); err != nil {
			return err
		}
		done += int64(len(part))
	}
	return nil
}

func (c *copier) readBack(hasher hash.Hash, offset, length int64) error {
	for done := int64(0); done < length; {
		part := c.buffer[:min(int64(len(c.buffer)), length-done)]
		if _, err := c.to.ReadAt(part, offset+done); err != nil {
			return err
		}
		hasher.Write(part)
		done += int64(len(part))
	}
	c.wrote(length)
	return nil
}

// writeError tells that the output, not the source, is at fault.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// copyUnread copies a part of a file and checks nothing: the contents have
// digests of their own.
func (c *copier) copyUnread(ctx context.Context, from *os.File, start, size, offset int64) error {
	for done := int64(0); done < size; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := copyRange(c.to, offset+done, from, start+done, min(unreadSize, size-done))
		if errors.Is(err, errors.ErrUnsupported) {
			part := c.buffer[:min(int64(len(c.buffer)), size-done)]
			if _, err = io.ReadFull(io.NewSectionReader(from, start+done, size-done), part); err != nil {
				return err
			}
			n = int64(len(part))
			_, err = c.to.WriteAt(part, offset+done)
		}
		if err != nil {
			return &writeError{err}
		}
		startWriteback(c.to, offset+done, n)
		c.wrote(n)
		done += n
	}
	return nil
}
