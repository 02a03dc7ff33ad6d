package delta

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// frameWriter writes parts of a delta: length, compressed length, and zstd.
type frameWriter struct {
	to      io.Writer
	encoder *zstd.Encoder
	buffer  []byte
}

func newFrameWriter(to io.Writer) (*frameWriter, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(segmentSize), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &frameWriter{to: to, encoder: encoder}, nil
}

func (w *frameWriter) write(content []byte) error {
	w.buffer = w.encoder.EncodeAll(content, w.buffer[:0])
	lengths := binary.AppendUvarint(nil, uint64(len(content)))
	lengths = binary.AppendUvarint(lengths, uint64(len(w.buffer)))
	if _, err := w.to.Write(lengths); err != nil {
		return err
	}
	_, err := w.to.Write(w.buffer)
	return err
}

// frameReader reads what frameWriter wrote.
type frameReader struct {
	from    *bufio.Reader
	decoder *zstd.Decoder
}

func newFrameReader(from *bufio.Reader) (*frameReader, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(segmentSize))
	if err != nil {
		return nil, err
	}
	return &frameReader{from: from, decoder: decoder}, nil
}

// read returns the next part, in buffer if it is large enough. A part of more than
// limit bytes is an error, before memory is taken for it.
func (r *frameReader) read(buffer []byte, limit int64) ([]byte, error) {
	length, err := r.length()
	if err != nil {
		return nil, err
	}
	packed, err := r.length()
	if err != nil {
		return nil, err
	}
	if length > uint64(limit) || packed > uint64(limit)+growth { //nolint:gosec // limits are positive
		return nil, malformed("a part has %d bytes, at most %d are allowed", length, limit)
	}
	if uint64(cap(buffer)) < length {
		buffer = make([]byte, length)
	}
	buffer = buffer[:length]
	compressed := io.LimitReader(r.from, int64(packed)) //nolint:gosec // limited above
	if err := r.decoder.Reset(compressed); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r.decoder, buffer); err != nil {
		return nil, r.explain(err)
	}
	if n, err := r.decoder.Read(make([]byte, 1)); n > 0 || err != io.EOF { //nolint:errorlint // readers return it as it is
		if n > 0 || err == nil {
			return nil, malformed("a part is longer than it says")
		}
		return nil, r.explain(err)
	}
	return buffer, nil
}

// growth is by how much what does not compress may grow, in bytes.
const growth = 1 << 20

func (r *frameReader) length() (uint64, error) {
	n, err := binary.ReadUvarint(r.from)
	if err != nil {
		return 0, r.explain(err)
	}
	return n, nil
}

// explain makes what was read an error about the delta, not about its source.
func (r *frameReader) explain(err error) error {
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

func (r *frameReader) close() { r.decoder.Close() }

// numbers reads integers from a part.
type numbers struct {
	rest []byte
	bad  bool
}

// next returns the next number below limit.
func (n *numbers) next(limit int64) int64 {
	value, length := binary.Uvarint(n.rest)
	if length <= 0 || value > uint64(limit) { //nolint:gosec // limits are positive
		n.bad, n.rest = true, nil
		return 0
	}
	n.rest = n.rest[length:]
	return int64(value) //nolint:gosec // below limit
}

// signed returns the next number, which may be negative, within limit.
func (n *numbers) signed(limit int64) int64 {
	value, length := binary.Varint(n.rest)
	if length <= 0 || value > limit || value < -limit {
		n.bad, n.rest = true, nil
		return 0
	}
	n.rest = n.rest[length:]
	return value
}

// end fails if something was wrong or is left.
func (n *numbers) end(what string) error {
	if n.bad || len(n.rest) > 0 {
		return malformed("%s", what)
	}
	return nil
}
