package script

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var values = Values{Name: "shop", Version: "1.2.3", Runtime: "1.37.2", Architecture: "amd64"}

// folder renders all scripts into a folder whose name is awkward, with a gravity
// that prints where it is and what it is told.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "it's a $folder -n")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		content, err := Render(name, values)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	gravity := "#!/bin/sh\n[ \"$1\" = app-package ] && { echo shop:1.2.3; exit; }\nprintf '<%s>' \"$@\"\necho\n"
	if err := os.WriteFile(filepath.Join(dir, "gravity"), []byte(gravity), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestScriptsCallGravity(t *testing.T) {
	dir := folder(t)
	for _, test := range []struct{ name, want string }{
		{"install", "<install><a b><--flag>\n"},
		{"run_preflight_checks", fmt.Sprintf("<check><--image-path=%[1]s><%[1]s/app.yaml><a b><--flag>\n", dir)},
		{"upload", fmt.Sprintf("<update><upload><--data-dir=%s><a b><--flag>\n", dir)},
		{"upgrade", fmt.Sprintf("<update><upload><--data-dir=%s>\n<upgrade><shop:1.2.3><a b><--flag>\n", dir)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "upgrade" && os.Getuid() != 0 {
				t.Skip("only root may upgrade")
			}
			for how, command := range map[string]*exec.Cmd{
				"by its path":  exec.CommandContext(t.Context(), filepath.Join(dir, test.name), "a b", "--flag"),
				"in place":     exec.CommandContext(t.Context(), "./"+test.name, "a b", "--flag"),
				"by the shell": exec.CommandContext(t.Context(), "sh", test.name, "a b", "--flag"),
			} {
				command.Env = append(os.Environ(), "CDPATH=/")
				if how != "by its path" {
					command.Dir = dir
				}
				output, err := command.CombinedOutput()
				if err != nil || string(output) != test.want {
					t.Errorf("%s: printed %q, want %q, error %v", how, output, test.want, err)
				}
			}
		})
	}
}

func TestUpgradeWantsRoot(t *testing.T) {
	dir := folder(t)
	command := exec.CommandContext(t.Context(), "sh", "-s")
	content, err := Render("upgrade", values)
	if err != nil {
		t.Fatal(err)
	}
	command.Stdin = bytes.NewReader(content)
	command.Dir = dir
	if os.Getuid() == 0 {
		command.Dir = "/"
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	output, err := command.CombinedOutput()
	if err == nil || string(output) != "please run this script as root\n" {
		t.Errorf("printed %q, error %v", output, err)
	}
}

func TestScriptsAreClean(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("shellcheck is not installed")
	}
	dir := folder(t)
	for _, name := range Names() {
		output, err := exec.CommandContext(t.Context(), "shellcheck", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %s", name, output)
		}
	}
}

func TestTextsAreFilled(t *testing.T) {
	application := values
	application.Runtime = ""
	for _, values := range []Values{values, application} {
		for _, name := range append(Names(), "README") {
			content, err := Render(name, values)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(content)) {
				if len(line) > 81 || strings.Contains(line, "@MACHINE@") || strings.Contains(line, "@NAME@") {
					t.Errorf("%s: %q", name, line)
				}
			}
		}
	}
	if _, err := Render("README", Values{Architecture: "pdp11"}); err == nil {
		t.Error("an unknown architecture has a name")
	}
}
