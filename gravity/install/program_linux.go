package install

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// installProgram copies this program to a path, unless it runs from there.
func installProgram(path string) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	if same(self, path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := renameio.NewPendingFile(path, renameio.WithStaticPermissions(0o755))
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, self); err != nil {
		return errors.Join(err, file.Cleanup())
	}
	return file.CloseAtomicallyReplace()
}

func same(self *os.File, path string) bool {
	a, err := self.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// loadModule loads a module of the kernel, if there is such a module: it may be
// built in, and what is really missing shows in the checks.
func loadModule(ctx context.Context, name string) {
	_ = exec.CommandContext(ctx, "modprobe", "--quiet", name).Run()
}
