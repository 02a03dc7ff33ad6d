package bundle_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/archive"
)

// checkBytes opens and verifies a bundle in memory.
func checkBytes(t testing.TB, content []byte) error {
	t.Helper()
	opened, err := bundle.OpenReaderAt(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	defer opened.Close()
	report, err := opened.Verify(t.Context(), bundle.Options{Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	return report.Err()
}

// TestEveryFlippedBitIsFound flips bits at random places, and in every block.
func TestEveryFlippedBitIsFound(t *testing.T) {
	original := readFile(t, write(t, complete()))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	step := 128
	if testing.Short() {
		step = 4096
	}
	for start := 0; start < len(original); start += step {
		at := start + random.IntN(min(step, len(original)-start))
		bit := byte(1) << random.IntN(8)
		original[at] ^= bit
		if checkBytes(t, original) == nil {
			t.Errorf("bit %08b of byte %d may change", bit, at)
		}
		original[at] ^= bit
	}
	if err := checkBytes(t, original); err != nil {
		t.Error(err)
	}
}

// TestEveryCutIsFound shortens and lengthens a bundle.
func TestEveryCutIsFound(t *testing.T) {
	original := readFile(t, write(t, complete()))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	lengths := []int{0, 1, 511, 512, len(original) - 1, len(original) - 512, len(original) - 1024, len(original) - 1025}
	for range 500 {
		lengths = append(lengths, random.IntN(len(original)))
	}
	for _, length := range lengths {
		if checkBytes(t, original[:length]) == nil {
			t.Errorf("may be cut to %d of %d bytes", length, len(original))
		}
	}
	err := checkBytes(t, original[:len(original)*3/4])
	if truncated := (*archive.TruncatedError)(nil); !errors.As(err, &truncated) || truncated.Need != int64(len(original)) {
		t.Errorf("error %v does not tell that %d bytes are needed", err, len(original))
	}
	for _, more := range []string{"x", strings.Repeat("x", 512), strings.Repeat("\x00", 511)} {
		if checkBytes(t, append(bytes.Clone(original), more...)) == nil {
			t.Errorf("%d bytes may follow", len(more))
		}
	}
}

// TestDamageIsNamed breaks a bundle in other ways and looks for the name of
// what is broken.
func TestDamageIsNamed(t *testing.T) {
	contents := complete()
	path := write(t, contents)
	var layer string
	for digest, size := range open(t, path).Blobs() {
		if size == 70_001 {
			layer = digest.Hex
		}
	}
	blob := "packages/blobs/sha256/" + layer
	for _, test := range []struct {
		name   string
		damage func(folder string) error
		want   []string
	}{
		{"changed layer", change(blob), []string{blob, "image docker.io/library/nginx:1.27", "digest"}},
		{"changed script", change("upgrade"), []string{"entry upgrade", "digest"}},
		{"changed database", change("gravity.db"), []string{"entry gravity.db", "digest"}},
		{"changed list of blobs", change("packages/blobs.txt"), []string{"packages/blobs.txt"}},
		{"changed index", change("packages/index.json"), []string{"packages/index.json"}},
		{"missing layer", remove(blob), []string{blob, "image docker.io/library/nginx:1.27", "missing"}},
		{"missing script", remove("install"), []string{"entry install", "missing"}},
		{"missing index", remove("packages/index.json"), []string{"packages/index.json"}},
		{"other blob", put("packages/blobs/sha256/" + hexOf('b')), []string{hexOf('b'), "nothing in the bundle needs it"}},
		{"other file", put("packages/blobs/sha256/other"), []string{"packages/blobs/sha256/other"}},
	} {
		folder := t.TempDir()
		extract(t, path, folder)
		if err := test.damage(folder); err != nil {
			t.Fatal(err)
		}
		packed := filepath.Join(t.TempDir(), "packed.tar")
		gnuTar(t, "-C", folder, "-cf", packed, ".")
		for form, path := range map[string]string{"folder": folder, "tar": packed} {
			err := verify(t, path)
			if err == nil {
				t.Errorf("%s in a %s: not found", test.name, form)
				continue
			}
			for _, want := range test.want {
				if form == "folder" && !strings.Contains(err.Error(), want) {
					t.Errorf("%s in a %s: error %q, want %q", test.name, form, err, want)
				}
			}
		}
	}
}

// TestEveryFlippedBitOfAFolderIsFound flips bits of the entries that no tar
// protects any more.
func TestEveryFlippedBitOfAFolderIsFound(t *testing.T) {
	folder := t.TempDir()
	extract(t, write(t, complete()), folder)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	names := []string{"packages/index.json", "packages/blobs.txt", "packages/oci-layout"}
	for _, entry := range open(t, folder).Entries() {
		names = append(names, entry.Name)
	}
	for _, name := range names {
		path := filepath.Join(folder, name)
		original := readFile(t, path)
		for range 20 {
			at, bit := random.IntN(len(original)), byte(1)<<random.IntN(8)
			changed := bytes.Clone(original)
			changed[at] ^= bit
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if verify(t, folder) == nil {
				t.Errorf("%s: bit %08b of byte %d may change", name, bit, at)
			}
		}
		if err := os.WriteFile(path, original, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := verify(t, folder); err != nil {
		t.Error(err)
	}
}

func change(name string) func(string) error {
	return func(folder string) error {
		path := filepath.Join(folder, filepath.FromSlash(name))
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		content[len(content)/2] ^= 4
		return os.WriteFile(path, content, 0o644)
	}
}

func remove(name string) func(string) error {
	return func(folder string) error { return os.Remove(filepath.Join(folder, filepath.FromSlash(name))) }
}

func put(name string) func(string) error {
	return func(folder string) error {
		return os.WriteFile(filepath.Join(folder, filepath.FromSlash(name)), []byte("x"), 0o644)
	}
}

// TestFolderIgnoresItsNeighbours keeps what users have beside the entries, and
// what the umask did to modes, out of it.
func TestFolderIgnoresItsNeighbours(t *testing.T) {
	folder := t.TempDir()
	extract(t, write(t, complete()), folder)
	for _, damage := range []func(string) error{
		put("bundle.tar"), put("install.log"),
		func(folder string) error { return os.Chmod(filepath.Join(folder, "README"), 0o400) },
	} {
		if err := damage(folder); err != nil {
			t.Fatal(err)
		}
	}
	if err := verify(t, folder); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(filepath.Join(folder, "upgrade"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := verify(t, folder); err == nil || !strings.Contains(err.Error(), "entry upgrade: cannot be executed") {
		t.Errorf("error %v", err)
	}
}

// TestFolderFollowsNoLinks has entries that lead to the same contents, outside.
func TestFolderFollowsNoLinks(t *testing.T) {
	folder := t.TempDir()
	path := write(t, complete())
	extract(t, path, folder)
	outside := filepath.Join(t.TempDir(), "gravity")
	if err := os.Rename(filepath.Join(folder, "gravity"), outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, "gravity")); err != nil {
		t.Fatal(err)
	}
	if err := verify(t, folder); err == nil || !strings.Contains(err.Error(), "entry gravity") {
		t.Errorf("error %v", err)
	}
}

// TestRefusesForeignEntries adds entries to good bundles with GNU tar.
func TestRefusesForeignEntries(t *testing.T) {
	work := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"install": 0o755, "other": 0o644, "app.yaml": 0o4644} {
		if err := os.WriteFile(filepath.Join(work, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(work, name), mode&0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(work, "upload")); err != nil {
		t.Fatal(err)
	}
	for want, arguments := range map[string][]string{
		"entry install: is there twice":                {"install"},
		`entry "other": bundles have no such entry`:    {"other"},
		`entry "../other": bundles`:                    {"-P", "--transform=s,^,../,", "other"},
		`entry "/other": bundles`:                      {"-P", "--transform=s,^,/,", "other"},
		`entry "upload": is a link`:                    {"upload"},
		`entry "bundle/install": bundles have no such`: {"--transform=s,^,bundle/,", "install"},
		"entry packages/index.json.sig: its mode":      {"--mode=4755", "--transform=s,.*,packages/index.json.sig,", "other"},
	} {
		path := write(t, complete())
		gnuTar(t, append([]string{"-C", work, "-rf", path}, arguments...)...)
		if err := verify(t, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestDamagedManifestIsNamed breaks what leads to other blobs.
func TestDamagedManifestIsNamed(t *testing.T) {
	contents := complete()
	path := write(t, contents)
	folder := t.TempDir()
	extract(t, path, folder)
	digest := contents.Images[2].Descriptor.Digest
	if err := change("packages/blobs/sha256/" + digest.Hex)(folder); err != nil {
		t.Fatal(err)
	}
	opened := open(t, folder)
	report, err := opened.Verify(t.Context(), bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) != 1 {
		t.Fatalf("%d problems: %v", len(report.Problems), report.Err())
	}
	problem := report.Problems[0]
	if problem.Owner != "image docker.io/library/nginx:1.27" || !strings.Contains(problem.Entry, digest.Hex) {
		t.Errorf("problem %v", problem)
	}
	if _, err := opened.ReadManifest(t.Context(), digest); err == nil {
		t.Error("a damaged manifest was read")
	}
	reader, err := opened.Open(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := io.ReadAll(reader); err == nil || !strings.Contains(err.Error(), digest.Hex) {
		t.Errorf("error %v", err)
	}
}

func TestVerifyCanBeCancelled(t *testing.T) {
	opened := open(t, write(t, complete()))
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("somebody pressed a key")
	report, err := opened.Verify(ctx, bundle.Options{Parallel: 1, Progress: func(bundle.Progress) { cancel(reason) }})
	if !errors.Is(err, reason) {
		t.Errorf("report %v, error %v", report, err)
	}
}
