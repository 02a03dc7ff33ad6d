package sysctl

import (
	"os"
	"path/filepath"
	"testing"
)

// fakeKernel is a directory in the place of /proc/sys.
type fakeKernel struct {
	t      *testing.T
	root   string
	record string
}

func newFakeKernel(t *testing.T) fakeKernel {
	t.Helper()
	kernel := fakeKernel{t: t, root: t.TempDir(), record: filepath.Join(t.TempDir(), "record")}
	if err := os.Mkdir(filepath.Join(kernel.root, "vm"), 0o700); err != nil {
		t.Fatal(err)
	}
	kernel.set("0")
	return kernel
}

func (k fakeKernel) set(value string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.root, "vm/a"), []byte(value+"\n"), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k fakeKernel) want(value string) {
	k.t.Helper()
	content, err := os.ReadFile(filepath.Join(k.root, "vm/a"))
	if err != nil {
		k.t.Fatal(err)
	}
	if got := string(content); got != value && got != value+"\n" {
		k.t.Errorf("the setting is %q, want %q", got, value)
	}
}

func (k fakeKernel) hold() *Guard {
	k.t.Helper()
	guard, err := Hold(k.record, k.root, []string{"vm/a", "vm/missing"})
	if err != nil {
		k.t.Fatal(err)
	}
	return guard
}

func (k fakeKernel) release(guard *Guard) {
	k.t.Helper()
	if err := guard.Release(); err != nil {
		k.t.Error(err)
	}
}

func (k fakeKernel) wantNoRecord() {
	k.t.Helper()
	if _, err := os.Stat(k.record); !os.IsNotExist(err) {
		k.t.Errorf("the record is left: %v", err)
	}
}

func TestTheLastOneRestores(t *testing.T) {
	k := newFakeKernel(t)
	first := k.hold()
	k.set("1")
	second := k.hold()
	k.release(first)
	k.want("1")
	k.release(second)
	k.want("0")
	k.wantNoRecord()
}

func TestTheNextOneRestoresAfterACrash(t *testing.T) {
	k := newFakeKernel(t)
	crashed := k.hold()
	k.set("1")
	_ = crashed.file.Close()
	next := k.hold()
	k.want("0")
	k.set("2")
	k.release(next)
	k.want("0")
	k.wantNoRecord()
}

func TestRecover(t *testing.T) {
	k := newFakeKernel(t)
	if err := Recover(k.record, k.root); err != nil {
		t.Errorf("without a record: %v", err)
	}
	alive := k.hold()
	k.set("1")
	if err := Recover(k.record, k.root); err != nil {
		t.Errorf("with a living lab: %v", err)
	}
	k.want("1")
	_ = alive.file.Close()
	if err := Recover(k.record, k.root); err != nil {
		t.Errorf("after a crash: %v", err)
	}
	k.want("0")
	k.wantNoRecord()
}

func TestABrokenRecordIsReplaced(t *testing.T) {
	k := newFakeKernel(t)
	if err := os.WriteFile(k.record, []byte(`{"vm/a":`), 0o600); err != nil {
		t.Fatal(err)
	}
	guard := k.hold()
	k.want("0")
	k.release(guard)
	k.wantNoRecord()
}
