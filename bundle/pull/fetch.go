package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// errDamaged says that a blob is not what its digest says.
var errDamaged = errors.New("the contents do not match the digest")

// resolve asks for the digest that a reference leads to.
func (p *puller) resolve(ctx context.Context, from origin) (v1.Hash, error) {
	if err := p.questions.Acquire(ctx, 1); err != nil {
		return v1.Hash{}, err
	}
	defer p.questions.Release(1)
	return from.resolve(ctx)
}

// manifest returns a manifest from the cache, or from where the image is.
func (p *puller) manifest(ctx context.Context, from origin, digest v1.Hash) ([]byte, error) {
	content, err := p.once(ctx, "manifest "+digest.String(), func() (any, error) {
		content, err := p.Cache.manifest(digest)
		if err != nil || content != nil {
			return content, err
		}
		if err := p.slots.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		defer p.slots.Release(1)
		if content, err = from.manifest(ctx, digest); err != nil {
			return nil, err
		}
		if err := check(content, digest); err != nil {
			return nil, err
		}
		return content, p.put(digest, content)
	})
	if err != nil {
		return nil, err
	}
	return content.([]byte), nil //nolint:forcetypeassert // it is what the function above returns
}

// once does something for all who want it. Who shares a failure tries again:
// the blob may be where that image comes from.
func (p *puller) once(ctx context.Context, key string, run func() (any, error)) (any, error) {
	for {
		mine := false
		result, err, _ := p.flights.Do(key, func() (any, error) {
			mine = true
			return run()
		})
		if err == nil || mine || ctx.Err() != nil {
			return result, err
		}
	}
}

// blob brings a blob into the cache, once for all images that want it.
func (p *puller) blob(ctx context.Context, from origin, descriptor v1.Descriptor) error {
	_, err := p.once(ctx, descriptor.Digest.String(), func() (any, error) {
		if p.has(descriptor) {
			return nil, nil //nolint:nilnil // only the error counts
		}
		lock, err := p.lock(ctx, descriptor.Digest)
		if err != nil {
			return nil, err
		}
		defer lock.Close()
		if p.has(descriptor) {
			// Somebody else was faster, and this lock made an empty file.
			return nil, os.Remove(p.partial(descriptor.Digest))
		}
		return nil, p.download(ctx, from, descriptor)
	})
	return err
}

// download fills the partial file of a blob, which is locked, and names it.
func (p *puller) download(ctx context.Context, from origin, descriptor v1.Descriptor) error {
	file, err := os.OpenFile(p.partial(descriptor.Digest), os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	p.progress.bytes(0, descriptor.Size)
	d := &download{puller: p, from: from, descriptor: descriptor, file: file}
	if err := d.restore(); err != nil {
		return err
	}
	continued := d.length > 0
	err = p.options.Retry.do(ctx, func() error { return d.attempt(ctx) })
	if continued && errors.Is(err, errDamaged) {
		// What was continued may be damaged, as by a power failure.
		if err = d.reset(); err == nil {
			err = p.options.Retry.do(ctx, func() error { return d.attempt(ctx) })
		}
	}
	if err == nil {
		err = p.commit(file, descriptor.Digest)
		if err == nil {
			p.sums.Store(descriptor.Digest, d.sum.Sum64())
		}
	}
	if d.wrong || d.length == 0 && err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return err
}

// download is a blob on its way.
type download struct {
	*puller
	from       origin
	descriptor v1.Descriptor
	file       *os.File
	hasher     hash.Hash
	// sum is what the cache vouches by.
	sum maphash.Hash
	// length is how much of the file is there, best how much ever was.
	length, best int64
	// wrong says that the file is of no use.
	wrong bool
}

// restore takes up what an earlier process left.
func (d *download) restore() error {
	d.hasher = sha256.New()
	d.sum.SetSeed(d.seed)
	n, err := io.Copy(io.MultiWriter(d.hasher, &d.sum), d.file)
	if err != nil {
		return err
	}
	d.length, d.best = n, n
	d.progress.bytes(n, 0)
	if n > d.descriptor.Size {
		return d.reset()
	}
	return nil
}

// reset begins again.
func (d *download) reset() error {
	d.progress.bytes(-d.length, 0)
	d.length, d.wrong = 0, false
	d.hasher.Reset()
	d.sum.Reset()
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return d.file.Truncate(0)
}

// attempt fetches what is missing, as far as it gets.
func (d *download) attempt(ctx context.Context) error {
	if d.length < d.descriptor.Size || d.descriptor.Size == 0 {
		if err := d.slots.Acquire(ctx, 1); err != nil {
			return err
		}
		err := d.transfer(ctx)
		d.slots.Release(1)
		if err != nil {
			return err
		}
	}
	if sum := hex.EncodeToString(d.hasher.Sum(nil)); sum != d.descriptor.Digest.Hex {
		d.wrong = true
		return fmt.Errorf("%w: it is sha256:%s", errDamaged, sum)
	}
	return nil
}

func (d *download) transfer(ctx context.Context) error {
	body, start, err := d.from.blob(ctx, d.descriptor, d.length)
	if err != nil {
		return err
	}
	defer body.Close()
	if start != d.length {
		if err := d.reset(); err != nil {
			return err
		}
	}
	before := d.best
	_, err = io.CopyBuffer(struct{ io.Writer }{d}, struct{ io.Reader }{body}, make([]byte, 128<<10))
	if err == nil && d.length < d.descriptor.Size {
		err = &temporary{err: fmt.Errorf("after %d of %d bytes: %w", d.length, d.descriptor.Size, io.ErrUnexpectedEOF)}
	}
	if again, ok := errors.AsType[*temporary](err); ok {
		again.progress = d.best > before
	}
	return err
}

// Write adds to the file. An error of the disk is not tried again.
func (d *download) Write(content []byte) (int, error) {
	if d.length+int64(len(content)) > d.descriptor.Size {
		d.wrong = true
		return 0, fmt.Errorf("there are more than the %d bytes that the manifest says", d.descriptor.Size)
	}
	n, err := d.file.Write(content)
	d.hasher.Write(content[:n])
	d.sum.Write(content[:n])
	d.length += int64(n)
	d.best = max(d.best, d.length)
	d.progress.bytes(int64(n), 0)
	return n, diskError(err)
}
