package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// checkout is the folder runtime of this repository.
const checkout = ".."

// wantHint wants a hint of an error to have a part.
func wantHint(t *testing.T, err error, part string) {
	t.Helper()
	for _, hint := range cli.Hints(err) {
		if strings.Contains(hint, part) {
			return
		}
	}
	t.Errorf("error %q has the hints %q, want one with %q", err, cli.Hints(err), part)
}

// wantError wants an error whose message has a part.
func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("error %v, want one with %q", err, part)
	}
}

// writeTree makes files below a new folder; contents that begin with "-> " are
// targets of symbolic links.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func hexOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// zstdCompress is a compressor that needs no build root.
func zstdCompress(_ context.Context, plain io.Reader, packed io.Writer) error {
	writer, err := zstd.NewWriter(packed)
	if err != nil {
		return err
	}
	if _, err := io.Copy(writer, plain); err != nil {
		return err
	}
	return writer.Close()
}
