package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPartialOutput is about file systems where a file must have a name.
func TestPartialOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bundle.tar")
	// What a process that was killed left, longer than what follows.
	if err := os.WriteFile(partialName(path), make([]byte, 100), 0o644); err != nil {
		t.Fatal(err)
	}
	first, err := createPartial(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := createPartial(path); err == nil || !strings.Contains(err.Error(), "somebody else is writing it") {
		t.Errorf("error %v", err)
	}
	if _, err := first.WriteString("text"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the name is there before the file is complete: %v", err)
	}
	if err := first.commit(); err != nil {
		t.Fatal(err)
	}
	first.discard()
	second, err := createPartial(path)
	if err != nil {
		t.Fatal(err)
	}
	second.discard()
	if content, err := os.ReadFile(path); err != nil || string(content) != "text" {
		t.Errorf("content %q, error %v", content, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v is left, error %v", entries, err)
	}
}

func TestOutputReplacesNoFolder(t *testing.T) {
	if _, err := createOutput(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("error %v", err)
	}
	path := filepath.Join(t.TempDir(), "missing", "bundle.tar")
	if _, err := createOutput(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}
