package build

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestRecord holds for the file that was written, and for no other and no longer.
func TestRecord(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the state of files is known on Linux only")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "shop.tar")
	digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}
	r := recordOf(dir, path)
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r.holds(path, digest) {
		t.Error("holds without a file")
	}
	write("bundle")
	if err := r.write(path, digest); err != nil {
		t.Fatal(err)
	}
	if !r.holds(path, digest) {
		t.Error("does not hold for what was written")
	}
	if r.holds(path, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b", 64)}) {
		t.Error("holds for another digest")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write("bandle") // as long, and as old
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if r.holds(path, digest) {
		t.Error("holds for other contents")
	}
	if err := os.WriteFile(string(r), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r.holds(path, digest) {
		t.Error("holds although it cannot be read")
	}
}
