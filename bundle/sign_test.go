package bundle_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
)

func generate(t testing.TB, algorithm signature.Algorithm) signature.PrivateKey {
	t.Helper()
	key, err := signature.Generate(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// writeSigned writes contents as 'tele build --sign-key' does.
func writeSigned(t testing.TB, contents bundle.Contents, keys ...signature.PrivateKey) string {
	t.Helper()
	draft, err := bundle.Plan(t.Context(), contents)
	if err == nil {
		err = draft.Sign(keys...)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "signed.tar")
	if _, err := draft.Write(t.Context(), path, bundle.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustSign(t testing.TB, path string, keys ...signature.PrivateKey) {
	t.Helper()
	set, err := bundle.Sign(t.Context(), path, keys, bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !set.By(key.Public()) || !open(t, path).Signatures().By(key.Public()) {
			t.Errorf("%s is not signed by %s", path, key.Public().ID())
		}
	}
	if err := verify(t, path); err != nil {
		t.Error(err)
	}
}

// applicationOnly has neither gravity nor scripts.
func applicationOnly() bundle.Contents {
	contents := complete()
	contents.Runtimes, contents.Gravity = nil, nil
	return contents
}

// TestSign signs bundles in all the ways that there are: the bytes are the same.
func TestSign(t *testing.T) {
	first, second := generate(t, signature.Ed25519), generate(t, signature.ECDSAP256)
	for name, contents := range map[string]func() bundle.Contents{"cluster": complete, "application": applicationOnly} {
		t.Run(name, func(t *testing.T) {
			want := readFile(t, writeSigned(t, contents(), first, second))
			path := write(t, contents())
			digest := open(t, path).Digest()
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			mustSign(t, path, second)
			mustSign(t, path, first)
			if !bytes.Equal(readFile(t, path), want) {
				t.Error("a bundle that was signed later has other bytes")
			}
			if open(t, path).Digest() != digest {
				t.Error("a signature changed the digest")
			}
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			mustSign(t, path, second)
			if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || before.Mode().Perm() != 0o600 {
				t.Errorf("it is written again, or mode %v; %v", before.Mode(), err)
			}
		})
	}
}

// TestSignExtracted signs a folder, and the tar that another tar makes of it.
func TestSignExtracted(t *testing.T) {
	key, other := generate(t, signature.Ed25519), generate(t, signature.ECDSAP256)
	path := write(t, complete())
	folder, again := t.TempDir(), filepath.Join(t.TempDir(), "again.tar")
	run := func(arguments ...string) {
		t.Helper()
		if output, err := exec.CommandContext(t.Context(), "tar", arguments...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
	run("-xf", path, "-C", folder)
	mustSign(t, folder, key)
	run("-cf", again, "-C", folder, ".")
	mustSign(t, again, other)
	if !bytes.Equal(readFile(t, again), readFile(t, writeSigned(t, complete(), key, other))) {
		t.Error("the tar of another tar, signed, has other bytes")
	}
}

// TestSignatureDamage changes every byte of the entry and of its header.
func TestSignatureDamage(t *testing.T) {
	contents := applicationOnly()
	contents.Images, contents.Resources, contents.SBOM = nil, nil, nil
	content := readFile(t, writeSigned(t, contents, generate(t, signature.Ed25519)))
	name := bytes.Index(content, append([]byte(bundle.NameSignature), 0))
	end := bytes.Index(content, []byte(bundle.NameBlobs))
	if name < 0 || end < name {
		t.Fatalf("the entry is not at %d to %d", name, end)
	}
	for i := name; i < end; i++ {
		damaged := slices.Clone(content)
		damaged[i] ^= 1
		opened, err := bundle.OpenReaderAt(bytes.NewReader(damaged), int64(len(damaged)))
		if err != nil {
			continue
		}
		if report, err := opened.Verify(t.Context(), bundle.Options{}); err != nil || report.Err() == nil {
			t.Fatalf("byte %d may change: %v", i, err)
		}
	}
}

// TestForeignSignature puts the signatures of another bundle into one.
func TestForeignSignature(t *testing.T) {
	key := generate(t, signature.Ed25519)
	other := complete()
	other.Version = "1.2.4"
	set := open(t, writeSigned(t, other, key)).Signatures()
	b := open(t, write(t, complete()))
	if _, err := bundle.Restore(t.Context(), b.IndexJSON(), set.Encode(), b.Source()); err == nil {
		t.Error("the signature of another bundle is accepted")
	}
}

// TestRestore makes a bundle again of its index.json and loose blobs.
func TestRestore(t *testing.T) {
	for name, contents := range map[string]func() bundle.Contents{"cluster": complete, "application": applicationOnly} {
		t.Run(name, func(t *testing.T) {
			path := writeSigned(t, contents(), generate(t, signature.Ed25519))
			b := open(t, path)
			draft, err := bundle.Restore(t.Context(), b.IndexJSON(), b.Signatures().Encode(), b.Source())
			if err != nil {
				t.Fatal(err)
			}
			again := filepath.Join(t.TempDir(), "again.tar")
			if _, err := draft.Write(t.Context(), again, bundle.Options{}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readFile(t, path), readFile(t, again)) {
				t.Error("the bundle has other bytes")
			}
		})
	}
	b := open(t, write(t, complete()))
	missing := bundle.Memory{}
	if _, err := bundle.Restore(t.Context(), b.IndexJSON(), nil, missing); err == nil {
		t.Error("a bundle is made of nothing")
	}
	if _, err := b.Source().Open(t.Context(), v1.Hash{Algorithm: "sha256", Hex: hexOf('0')}); err == nil {
		t.Error("the source has what the bundle has not")
	}
}
