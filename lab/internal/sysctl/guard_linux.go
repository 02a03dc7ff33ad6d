package sysctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Where the record is, and where the kernel shows its settings.
const (
	Record = "/run/gravity-lab.sysctl"
	Root   = "/proc/sys"
)

// Names are the settings that programs in machines are known to change by
// themselves. What people change in a machine on purpose is not undone, since
// the host's administrator may change the same in the meantime.
var Names = []string{
	"fs/inotify/max_user_instances", "fs/inotify/max_user_watches",
	"fs/protected_fifos", "fs/protected_hardlinks", "fs/protected_regular", "fs/protected_symlinks",
	"kernel/keys/root_maxbytes", "kernel/keys/root_maxkeys",
	"kernel/panic", "kernel/panic_on_oops", "kernel/pid_max",
	"vm/max_map_count", "vm/overcommit_memory", "vm/panic_on_oom",
}

// Guard is the share of one lab in the record. Its lock on the record's file
// goes with its process.
type Guard struct {
	file *os.File
	root string
}

// Hold records the settings, unless another lab has.
func Hold(record, root string, names []string) (*Guard, error) {
	for range 100 {
		file, err := os.OpenFile(record, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("record the kernel's settings: %w", err)
		}
		guard := &Guard{file: file, root: root}
		if err := guard.hold(names); err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("record the kernel's settings in %s: %w", record, err)
		}
		if guard.isCurrent() {
			return guard, nil
		}
		_ = file.Close() // the last lab has just removed it
	}
	return nil, fmt.Errorf("record the kernel's settings: %s is removed again and again", record)
}

func (g *Guard) hold(names []string) error {
	alone, err := g.alone()
	if err != nil {
		return err
	}
	if alone {
		if err := g.restore(); err != nil {
			return err
		}
		if err := g.save(names); err != nil {
			return err
		}
	}
	return unix.Flock(int(g.file.Fd()), unix.LOCK_SH)
}

// alone tells whether no lab holds the record, and then keeps others away.
func (g *Guard) alone() (bool, error) {
	err := unix.Flock(int(g.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func (g *Guard) isCurrent() bool {
	opened, err := g.file.Stat()
	if err != nil {
		return false
	}
	current, err := os.Stat(g.file.Name())
	return err == nil && os.SameFile(opened, current)
}

func (g *Guard) save(names []string) error {
	values := map[string]string{}
	for _, name := range names {
		// Not every kernel has every setting.
		if value, err := os.ReadFile(filepath.Join(g.root, name)); err == nil {
			values[name] = strings.TrimSpace(string(value))
		}
	}
	content, err := json.Marshal(values)
	if err != nil {
		return err
	}
	if err := g.file.Truncate(0); err != nil {
		return err
	}
	_, err = g.file.WriteAt(content, 0)
	return err
}

// restore writes back what the record has. One that cannot be read was not
// written to the end, so no machine has started after it.
func (g *Guard) restore() error {
	content, err := io.ReadAll(io.NewSectionReader(g.file, 0, 1<<20))
	if err != nil {
		return err
	}
	values := map[string]string{}
	_ = json.Unmarshal(content, &values)
	var errs []error
	for name, value := range values {
		path := filepath.Join(g.root, filepath.FromSlash(name))
		current, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(current)) == value {
			continue
		}
		errs = append(errs, os.WriteFile(path, []byte(value), 0o600))
	}
	return errors.Join(errs...)
}

// Release gives the share up. The last one writes the settings back and
// removes the record.
func (g *Guard) Release() error {
	defer g.file.Close()
	alone, err := g.alone()
	if err == nil && alone && g.isCurrent() {
		err = errors.Join(g.restore(), os.Remove(g.file.Name()))
	}
	if err != nil {
		return fmt.Errorf("write the kernel's settings back: %w", err)
	}
	return nil
}

// Recover writes back what labs without a living supervisor have left, if
// there is no other lab.
func Recover(record, root string) error {
	file, err := os.OpenFile(record, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the kernel's settings back: %w", err)
	}
	return (&Guard{file: file, root: root}).Release()
}
