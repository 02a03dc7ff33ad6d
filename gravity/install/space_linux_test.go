package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestExplainSpace wants errors of full file systems to name the folder and what
// is needed, once.
func TestExplainSpace(t *testing.T) {
	folder := t.TempDir()
	full := &fs.PathError{Op: "write", Path: filepath.Join(folder, "missing", "file"), Err: syscall.ENOSPC}
	for name, test := range map[string]struct {
		err  error
		size int64
		want string
	}{
		"with a path":         {fmt.Errorf("pull: %w", full), 1e9, `^free space on the file system of ` + folder + `/missing: \d+ MB of \d+ MB are left, and an installation of this bundle needs \d+ MB in all where the state folder is$`},
		"without":             {fmt.Errorf("sync: %w", syscall.EDQUOT), 0, `^free space on the file system of /somewhere: \d+ MB of \d+ MB are left$`},
		"what a program says": {errors.New("kubeadm: write /etc/x: no space left on device"), 0, `^free space on the file system of /somewhere: `},
	} {
		t.Run(name, func(t *testing.T) {
			err := ExplainSpace(test.err, "/somewhere", test.size)
			err = ExplainSpace(err, "/elsewhere", 0)
			hints := cli.Hints(err)
			if len(hints) != 1 || !regexp.MustCompile(test.want).MatchString(hints[0]) || !errors.Is(err, test.err) {
				t.Errorf("%v with hints %q", err, hints)
			}
		})
	}
	other := errors.New("another one")
	if err := ExplainSpace(other, folder, 1); err != other || ExplainSpace(nil, folder, 1) != nil { //nolint:errorlint // the error itself
		t.Errorf("%v", err)
	}
}
