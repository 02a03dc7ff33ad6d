package delta_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/delta"
)

func file(content []byte) delta.File {
	return delta.File{ReaderAt: bytes.NewReader(content), Size: int64(len(content))}
}

func makeDelta(t testing.TB, base, target []byte) []byte {
	t.Helper()
	var made bytes.Buffer
	if err := delta.Make(t.Context(), file(base), file(target), &made); err != nil {
		t.Fatal(err)
	}
	return made.Bytes()
}

func restore(made, base []byte) ([]byte, error) {
	reader, err := delta.NewReader(bytes.NewReader(made), iotest.HalfReader(bytes.NewReader(base)))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}

// noise is random bytes that depend on a seed.
func noise(seed byte, size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(content)
	return content
}

// edited is content with parts inserted, removed, moved and changed.
func edited(random *rand.Rand, content []byte, edits int) []byte {
	result := bytes.Clone(content)
	for range edits {
		at, length := random.IntN(len(result)+1), random.IntN(4000)
		end := min(at+length, len(result))
		switch random.IntN(4) {
		case 0:
			result = append(result[:at:at], append(noise(byte(length), length), result[at:]...)...)
		case 1:
			result = append(result[:at:at], result[end:]...)
		case 2:
			part := bytes.Clone(result[at:end])
			rest := append(result[:at:at], result[end:]...)
			to := random.IntN(len(rest) + 1)
			result = append(rest[:to:to], append(part, rest[to:]...)...)
		case 3:
			for i := at; i < end; i += 1 + random.IntN(40) {
				result[i]++
			}
		}
	}
	return result
}

// TestRestore wants every target back, whatever it has to do with its base.
func TestRestore(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's
	large := noise(1, 9<<20)
	for name, pair := range map[string][2][]byte{
		"equal":         {large, large},
		"both empty":    {nil, nil},
		"empty base":    {nil, large[:100_000]},
		"empty target":  {large, nil},
		"nothing alike": {noise(2, 1<<20), noise(3, 1<<20)},
		"edited":        {large, edited(random, large, 200)},
		"halves change": {large, append(bytes.Clone(large[5<<20:]), large[:5<<20]...)},
		"one segment":   {large, large[:8<<20]},
		"short":         {[]byte("a"), []byte("b")},
		"program":       {program(t, 3), program(t, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && len(pair[0]) > 1<<20 && name != "edited" {
				t.Skip("takes long with the race detector; run without -short")
			}
			made := makeDelta(t, pair[0], pair[1])
			restored, err := restore(made, pair[0])
			if err != nil || !bytes.Equal(restored, pair[1]) {
				t.Fatalf("%d bytes instead of %d: %v", len(restored), len(pair[1]), err)
			}
		})
	}
}

// TestSmall wants deltas to be small where there is little that differs.
func TestSmall(t *testing.T) {
	large := noise(1, 10<<20)
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a test's
	target := edited(random, large, 20)
	made := makeDelta(t, large, target)
	if len(made) > 100_000 {
		t.Errorf("20 edits take %d bytes", len(made))
	}
	if again := makeDelta(t, large, target); !bytes.Equal(made, again) {
		t.Error("the same files give another delta")
	}
	// In the program all calls differ, and hardly anything else.
	before, after := program(t, 3), program(t, 4)
	if made := makeDelta(t, before, after); len(made) > len(after)/20 {
		t.Errorf("a program of %d bytes takes %d", len(after), len(made))
	}
}

// program is a layer with an executable whose functions call each other. They are
// padded, so that every call has other bytes in another one.
func program(t *testing.T, padding int) []byte {
	t.Helper()
	const functions, length = 4000, 64
	random := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test's
	text := make([]byte, 0, functions*(length+padding))
	for i := range functions {
		body := noise(byte(i), length)
		for j := range body {
			body[j] = body[j]&0x3f | byte(i>>8)&0x40 // no instruction with an operand by chance
		}
		binary.LittleEndian.PutUint16(body[8:], uint16(i)) //nolint:gosec // it fits
		for _, at := range []int{16, 32, 48} {
			body[at] = 0xe8
			to := random.IntN(functions) * (length + padding)
			binary.LittleEndian.PutUint32(body[at+1:], uint32(to-len(text)-at-5)) //nolint:gosec // two's complement is meant
		}
		text = append(append(text, body...), make([]byte, padding)...)
	}
	content := elfFile(text)
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	if err := archive.WriteHeader(&tar.Header{Name: "kube", Mode: 0o755, Size: int64(len(content)), Format: tar.FormatPAX}); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return layer.Bytes()
}

// elfFile is an executable for amd64 with one section of code.
func elfFile(text []byte) []byte {
	const headerSize, sectionSize = 64, 64
	order := binary.LittleEndian
	head := make([]byte, headerSize+3*sectionSize)
	copy(head, "\x7fELF\x02\x01\x01")
	order.PutUint16(head[16:], 2)
	order.PutUint16(head[18:], 62) // amd64
	order.PutUint32(head[20:], 1)
	order.PutUint64(head[40:], headerSize)
	order.PutUint16(head[52:], headerSize)
	order.PutUint16(head[58:], sectionSize)
	order.PutUint16(head[60:], 3)
	order.PutUint16(head[62:], 2)
	section := func(number int, kind uint32, flags uint64, offset, size int) {
		at := head[headerSize+number*sectionSize:]
		order.PutUint32(at[4:], kind)
		order.PutUint64(at[8:], flags)
		order.PutUint64(at[24:], uint64(offset)) //nolint:gosec // positive
		order.PutUint64(at[32:], uint64(size))   //nolint:gosec // positive
	}
	section(1, 1, 6, len(head), len(text))
	section(2, 3, 0, len(head)+len(text), 1)
	return slices.Concat(head, text, []byte{0})
}

// TestDamage flips bits and cuts: a reader either fails or gives something else,
// which its digest shows, and never goes on for ever.
func TestDamage(t *testing.T) {
	base := noise(1, 300_000)
	random := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // a test's
	target := edited(random, base, 30)
	made := makeDelta(t, base, target)
	unnoticed, rounds := 0, 400
	if testing.Short() {
		rounds = 40
	}
	for range rounds {
		damaged := bytes.Clone(made)
		damaged[random.IntN(len(damaged))] ^= 1 << random.IntN(8)
		switch restored, err := restore(damaged, base); {
		case err != nil && !errors.Is(err, delta.ErrMalformed):
			t.Fatal(err)
		case err == nil && bytes.Equal(restored, target):
			unnoticed++
		}
		if _, err := restore(made[:random.IntN(len(made))], base); !errors.Is(err, delta.ErrMalformed) {
			t.Fatalf("cut: %v", err)
		}
	}
	// Headers of zstd have bits that nobody reads; the digest of a delta has them.
	if unnoticed > rounds/40 {
		t.Errorf("%d changed bits of %d go unnoticed", unnoticed, rounds)
	}
	if _, err := restore(append(bytes.Clone(made), 0), base); !errors.Is(err, delta.ErrMalformed) {
		t.Errorf("something follows: %v", err)
	}
	if _, err := restore(made, base[:len(base)/2]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the base is cut: %v", err)
	}
	if restored, err := restore(made, noise(9, len(base))); err == nil && bytes.Equal(restored, target) {
		t.Error("another base gives the same")
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := delta.Make(ctx, file(noise(1, 1000)), file(noise(1, 1000)), io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// FuzzReader reads anything as a delta: it must end, in bounded memory, and not
// panic.
func FuzzReader(f *testing.F) {
	base := noise(1, 10_000)
	random := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // a test's
	var made bytes.Buffer
	if err := delta.Make(f.Context(), file(base), file(edited(random, base, 5)), &made); err != nil {
		f.Fatal(err)
	}
	f.Add(made.Bytes(), base)
	f.Add([]byte("gravity delta 1\n"), base)
	f.Fuzz(func(t *testing.T, made, base []byte) {
		reader, err := delta.NewReader(bytes.NewReader(made), bytes.NewReader(base))
		if err != nil {
			return
		}
		defer reader.Close()
		if n, err := io.Copy(io.Discard, reader); err == nil && n != reader.Size() {
			t.Errorf("%d bytes instead of %d", n, reader.Size())
		}
	})
}

// FuzzMake wants every target back.
func FuzzMake(f *testing.F) {
	f.Add([]byte("what there was"), []byte("what there is"))
	f.Add(noise(1, 5000), noise(1, 4000))
	f.Fuzz(func(t *testing.T, base, target []byte) {
		restored, err := restore(makeDelta(t, base, target), base)
		if err != nil || !bytes.Equal(restored, target) {
			t.Fatal(err)
		}
	})
}
