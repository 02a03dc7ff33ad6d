package node

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzTalk: whatever a machine answers to an upload, nothing is sent twice or
// from outside the file.
func FuzzTalk(f *testing.F) {
	for _, seed := range []string{
		"present\n", "stored\n", "wait\nwait\ndamaged\n", "have 0 - 1000000\nstored\n", "have 4 x 1000000\nstored\n",
		"have -1 x 1\n", "have 9 x 1\n", "have 0 x 1\n", "have 1 1 9999999999999999999\n", "\n", "have",
	} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "file")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		f.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = file.Close() })
	f.Fuzz(func(t *testing.T, answers string) {
		transfer := &transfer{file: file, size: 7, directory: "/d"}
		var sent bytes.Buffer
		err := transfer.talk(bufio.NewReader(strings.NewReader(answers)), &sent)
		if transfer.reached < 0 || transfer.reached > transfer.size {
			t.Errorf("%q leads to %d of %d bytes", answers, transfer.reached, transfer.size)
		}
		if err == nil && !strings.Contains(answers, "stored") && !strings.Contains(answers, "present") {
			t.Errorf("%q is a success", answers)
		}
	})
}

// FuzzLook: whatever a machine answers to a poll, it has a known state or is an
// error.
func FuzzLook(f *testing.F) {
	f.Add("ended", "0")
	f.Add("ended", "-")
	f.Add("running", "-")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, state, code string) {
		var outcome Outcome
		ended, err := look{state: state, code: code}.ended(&outcome)
		if ended && (err != nil || state != "ended") {
			t.Errorf("%q %q is the end: %v", state, code, err)
		}
		if !ended && err == nil && state != "running" {
			t.Errorf("%q %q goes on", state, code)
		}
	})
}
