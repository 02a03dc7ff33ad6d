package operation

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

// fakeProgram prints what it was started with, and the keys.
const fakeProgram = "#!/bin/sh\necho \"$*\"\nfor a in \"$@\"; do case $a in --trusted-key=*) cat \"${a#*=}\"/*;; esac; done\n"

const fakeIndex = `{"manifests":[]}`

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// writeTar makes a bundle as far as operate.sh looks at it.
func writeTar(t *testing.T, path string) {
	t.Helper()
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for _, file := range []struct{ name, content string }{{"gravity", fakeProgram}, {"packages/index.json", fakeIndex}} {
		err := w.WriteHeader(&tar.Header{Name: file.name, Mode: 0o755, Size: int64(len(file.content))})
		if err == nil {
			_, err = w.Write([]byte(file.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOperate: nothing of a bundle runs that is not what was planned.
func TestOperate(t *testing.T) {
	const first, second = "-----BEGIN PUBLIC KEY-----\none\n-----END PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\ntwo\n-----END PUBLIC KEY-----"
	for name, test := range map[string]struct {
		index, program string
		keys           []string
		resumed        bool
		// want begins what the program prints; refused is in the error instead.
		want, refused string
	}{
		"nothing is known":         {want: "install --cluster=shop -o json\n"},
		"as planned":               {index: digestOf(fakeIndex), program: digestOf(fakeProgram), want: "install --cluster=shop -o json\n"},
		"resumed":                  {index: digestOf(fakeIndex), program: digestOf(fakeProgram), resumed: true, want: "install --resume -o json\n"},
		"another bundle":           {index: digestOf("other"), refused: "was planned"},
		"another program":          {program: digestOf("other"), refused: "the bundle's index lists"},
		"another program, resumed": {program: digestOf("other"), resumed: true, refused: "the bundle's index lists"},
		"keys":                     {keys: []string{first, second}, want: "install --cluster=shop --trusted-key=%/trusted -o json\n" + first + "\n" + second + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, state := t.TempDir(), t.TempDir()
			machine := node.New(nil, node.Options{StateDir: state})
			o := &Operation{
				Machine: machine, Verb: Install, Args: []string{"--cluster=shop"}, Bundle: filepath.Join(folder, "bundle.tar"),
				Program: filepath.Join(folder, "gravity"), IndexDigest: test.index, ProgramDigest: test.program, TrustedKeys: test.keys,
			}
			writeTar(t, o.Bundle)
			if test.resumed {
				if err := os.MkdirAll(filepath.Join(state, "operations", "one"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			args := o.command()
			var stderr bytes.Buffer
			command := exec.CommandContext(t.Context(), args[0], args[1:]...)
			command.Stderr = &stderr
			output, err := command.Output()
			if test.refused != "" {
				said := node.Outcome{ExitCode: command.ProcessState.ExitCode(), Stderr: stderr.Bytes()}.Err("machine")
				if err == nil || said == nil || !strings.HasPrefix(said.Error(), "machine: ") || !strings.Contains(said.Error(), test.refused) || len(output) > 0 {
					t.Errorf("%v, %v, %q", err, said, output)
				}
				if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
					t.Errorf("what was refused stays: %v, %v", left, err)
				}
				return
			}
			if want := strings.ReplaceAll(test.want, "%", folder); err != nil || string(output) != want {
				t.Errorf("%v: %s\n%s", err, output, stderr.String())
			}
		})
	}
}
