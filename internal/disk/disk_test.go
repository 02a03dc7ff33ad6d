package disk_test

import (
	"path/filepath"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/disk"
)

func TestFree(t *testing.T) {
	folder := t.TempDir()
	if free, err := disk.Free(folder); err != nil || free <= 0 {
		t.Errorf("%d bytes, error %v", free, err)
	}
}

func TestFreeOfNothing(t *testing.T) {
	if _, err := disk.Free(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Skip("nobody can tell on this system")
	}
}
