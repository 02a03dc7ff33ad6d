package bundle_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
)

// kinds are bundles in all the ways in which one can have its runtimes and layers:
// whole, as deltas, and in a base that is elsewhere.
var kinds = map[string]func(t testing.TB) bundle.Contents{
	"plain":    func(testing.TB) bundle.Contents { return complete() },
	"embedded": func(t testing.TB) bundle.Contents { return withRuntimes(embedded(t).contents, 2) },
	"chain":    func(t testing.TB) bundle.Contents { return embedded(t).contents },
	"base":     func(t testing.TB) bundle.Contents { return upon(t, complete()) },
	"embedded upon a base": func(t testing.TB) bundle.Contents {
		return upon(t, withRuntimes(embedded(t).contents, 2))
	},
	"chain upon a base": func(t testing.TB) bundle.Contents { return upon(t, embedded(t).contents) },
	"deltas to a base":  func(t testing.TB) bundle.Contents { return deltasToBase(t) },
}

func withRuntimes(contents bundle.Contents, count int) bundle.Contents {
	contents.Runtimes = contents.Runtimes[:count]
	return contents
}

// upon is the next version of a bundle, with the one before as its base and one
// image more.
func upon(t testing.TB, contents bundle.Contents) bundle.Contents {
	t.Helper()
	base := open(t, write(t, contents))
	b := newBlobs(12)
	contents.Version = "1.2.4"
	contents.Bases = []*bundle.Bundle{base}
	contents.Source = bundle.Sources{b, contents.Source}
	contents.Images = append([]bundle.Image{{Reference: "docker.io/library/new:1", Descriptor: b.image(b.layer(3000))}}, contents.Images...)
	return contents
}

// deltasToBase is a bundle whose target and only runtime is made of the base's,
// which it lacks.
func deltasToBase(t testing.TB) bundle.Contents {
	t.Helper()
	r := embedded(t)
	contents := upon(t, r.contents)
	b := newBlobs(11)
	contents.Source = bundle.Sources{b, contents.Source}
	next := b.release(r.kubes[0].plain, 77)
	old := contents.Bases[0]
	shared := layers(t, old, old.Index().Runtimes[0])[0]
	packed, err := bundle.Pack(t.Context(), contents.Source, bundle.Runtime{Version: "1.37.3", Descriptor: b.runtimeOf(shared, next)},
		map[v1.Hash]bundle.Delta{next.layer.Digest: b.deltaOf(t, r.kubes[0], r.kubes[0].layer, next)}, b.Memory)
	if err != nil {
		t.Fatal(err)
	}
	contents.Runtimes = []bundle.Runtime{packed}
	return contents
}

// checkWith checks a bundle with its bases.
func checkWith(t testing.TB, opened *bundle.Bundle, bases []*bundle.Bundle) error {
	t.Helper()
	if err := opened.UseBases(bases...); err != nil {
		return err
	}
	report, err := opened.Verify(t.Context(), bundle.Options{Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	if report.Err() == nil && report.Unchecked {
		return errors.New("not all of it was checked")
	}
	return report.Err()
}

// everything lists all that a bundle gives: what it has, what it restores and what
// its bases have.
func everything(t testing.TB, opened *bundle.Bundle) []v1.Hash {
	t.Helper()
	var digests []v1.Hash
	for digest := range opened.Blobs() {
		digests = append(digests, digest)
	}
	known, err := opened.Deltas()
	if err != nil {
		t.Fatal(err)
	}
	for digest := range known {
		digests = append(digests, digest)
	}
	bases, err := opened.Bases()
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range bases {
		for _, blob := range base.Blobs {
			digests = append(digests, blob.Digest)
		}
	}
	return digests
}

// readEverything returns the first error of reading blobs and entries. What was
// read without one must be right.
func readEverything(t testing.TB, opened *bundle.Bundle, digests []v1.Hash) (first error) {
	t.Helper()
	read := func(name string, blob io.ReadCloser, err error) []byte {
		var content []byte
		if err == nil {
			content, err = io.ReadAll(blob)
			err = errors.Join(err, blob.Close())
		}
		if err != nil && first == nil {
			first = errors.Join(errors.New(name), err)
		}
		if err != nil {
			return nil
		}
		return content
	}
	for _, digest := range digests {
		blob, err := opened.Open(t.Context(), digest)
		content := read(digest.String(), blob, err)
		if content != nil && (bundle.Memory{}).Add(content).Digest != digest {
			t.Errorf("blob %s: something else was read", digest)
		}
	}
	for _, entry := range opened.Entries() {
		blob, err := opened.OpenEntry(entry.Name)
		content := read(entry.Name, blob, err)
		if content != nil && (bundle.Memory{}).Add(content).Digest != entry.Digest {
			t.Errorf("entry %s: something else was read", entry.Name)
		}
	}
	return first
}

// TestSignKinds signs each kind of bundle before it is written, later, and as a
// folder: it is the same, and as readable as before.
func TestSignKinds(t *testing.T) {
	first, second := generate(t, signature.Ed25519), generate(t, signature.ECDSAP256)
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			contents := kind(t)
			want := readFile(t, writeSigned(t, contents, first, second))
			path := write(t, contents)
			digest := open(t, path).Digest()
			digests := everything(t, open(t, path))
			folder := t.TempDir()
			if output, err := exec.CommandContext(t.Context(), "tar", "-xf", path, "-C", folder).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			for _, where := range []string{path, folder} {
				mustSign(t, where, second)
				mustSign(t, where, first)
				opened := open(t, where)
				if opened.Digest() != digest {
					t.Errorf("%s: a signature changed the digest", where)
				}
				if err := checkWith(t, opened, contents.Bases); err != nil {
					t.Errorf("%s: %v", where, err)
				}
				if err := readEverything(t, opened, digests); err != nil {
					t.Errorf("%s: %v", where, err)
				}
			}
			if !bytes.Equal(readFile(t, path), want) {
				t.Error("a bundle that was signed later has other bytes")
			}
			again := filepath.Join(t.TempDir(), "again.tar")
			if output, err := exec.CommandContext(t.Context(), "tar", "-cf", again, "-C", folder, ".").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			third := generate(t, signature.Ed25519)
			mustSign(t, again, third)
			mustSign(t, path, third)
			if !bytes.Equal(readFile(t, again), readFile(t, path)) {
				t.Error("the tar of another tar, signed, has other bytes")
			}
		})
	}
}

// TestRestoreKinds makes each kind of bundle again of its index.json and loose
// blobs, without bases.
func TestRestoreKinds(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			path := writeSigned(t, kind(t), generate(t, signature.Ed25519))
			b := open(t, path)
			draft, err := bundle.Restore(t.Context(), b.IndexJSON(), b.Signatures().Encode(), b.Source())
			if err != nil {
				t.Fatal(err)
			}
			again := filepath.Join(t.TempDir(), "again.tar")
			written, err := draft.Write(t.Context(), again, bundle.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readFile(t, path), readFile(t, again)) {
				t.Error("the bundle has other bytes")
			}
			if written.Blobs != len(b.Blobs()) {
				t.Errorf("%d blobs were written, and the bundle has %d", written.Blobs, len(b.Blobs()))
			}
		})
	}
}

// TestDamageOfKinds changes bits of each kind of bundle, and cuts it. Checking with
// the bases finds everything; what is read is an error or right, and a bundle that
// was cut cannot be read to its end.
func TestDamageOfKinds(t *testing.T) {
	const seed = 6
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			contents := kind(t)
			path := writeSigned(t, contents, generate(t, signature.Ed25519))
			content, whole := readFile(t, path), open(t, path)
			if err := checkWith(t, whole, contents.Bases); err != nil {
				t.Fatal(err)
			}
			digests := everything(t, whole)
			if err := readEverything(t, whole, digests); err != nil {
				t.Fatal(err)
			}
			// check returns what checking and reading find.
			check := func(content []byte) (checked, read error) {
				opened, err := bundle.OpenReaderAt(bytes.NewReader(content), int64(len(content)))
				if err != nil {
					return err, err
				}
				defer opened.Close()
				checked = checkWith(t, opened, contents.Bases)
				return checked, readEverything(t, opened, digests)
			}
			random := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a test's
			for range rounds {
				damaged := bytes.Clone(content)
				at := random.IntN(len(damaged))
				damaged[at] ^= 1 << random.IntN(8)
				if checked, _ := check(damaged); checked == nil {
					t.Fatalf("seed %d: byte %d: the change is not found", seed, at)
				}
				checked, read := check(content[:at])
				if checked == nil || read == nil {
					t.Fatalf("seed %d: cut at byte %d: checking finds %v, reading %v", seed, at, checked, read)
				}
			}
			for _, lost := range []int{1, 511, 512, 1023} {
				if checked, _ := check(content[:len(content)-lost]); checked == nil {
					t.Fatalf("the last %d bytes may be missing", lost)
				}
			}
		})
	}
}
