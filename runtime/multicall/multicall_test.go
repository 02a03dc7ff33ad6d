package multicall

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asMulticall makes the test's executable call Main.
const asMulticall = "MULTICALL_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMulticall) == "" {
		os.Exit(m.Run())
	}
	report := func(name string) func() {
		return func() { fmt.Printf("%s got %q", name, os.Args) }
	}
	Main(Programs{
		"kubelet": report("kubelet"),
		"kubectl": report("kubectl"),
		"kubeadm": func() { os.Exit(7) },
	})
	os.Exit(0) // what a main function does that returns
}

func TestDispatch(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const list = "run it as, or with the first argument, one of: kubeadm, kubectl, kubelet\n"
	folder := t.TempDir()
	for _, test := range []struct {
		name   string
		args   []string // the first is what the process is called
		code   int
		stdout string
		stderr string
	}{
		{"by name", []string{"kubectl", "get", "pods"}, 0, `kubectl got ["kubectl" "get" "pods"]`, ""},
		{"by path", []string{"/usr/local/bin/kubelet"}, 0, `kubelet got ["/usr/local/bin/kubelet"]`, ""},
		{"by argument", []string{"/x/kube", "kubectl", "get"}, 0, `kubectl got ["kubectl" "get"]`, ""},
		{"the name goes first", []string{"kubectl", "kubelet"}, 0, `kubectl got ["kubectl" "kubelet"]`, ""},
		{"own exit code", []string{"kube", "kubeadm"}, 7, "", ""},
		{"own exit code by name", []string{"kubeadm"}, 7, "", ""},
		{"no name", []string{"/x/kube"}, 2, "", "error: kube: no such program in this executable\nhint: " + list},
		{"unknown argument", []string{"kube", "etcd"}, 2, "", "error: kube: no such program in this executable\nhint: " + list},
		{"only the first argument", []string{"kube", "-v", "kubectl"}, 2, "", "error: kube: no such program in this executable\nhint: " + list},
	} {
		t.Run(test.name, func(t *testing.T) {
			command := exec.Command(executable)
			command.Args = test.args
			command.Env = append(os.Environ(), asMulticall+"=1")
			checkOutput(t, command, test.code, test.stdout, test.stderr)
		})
	}
	t.Run("by symbolic link", func(t *testing.T) {
		link := filepath.Join(folder, "kubelet")
		if err := os.Symlink(executable, link); err != nil {
			t.Fatal(err)
		}
		command := exec.Command(link, "--version")
		command.Env = append(os.Environ(), asMulticall+"=1")
		checkOutput(t, command, 0, fmt.Sprintf("kubelet got [%q \"--version\"]", link), "")
	})
}

func checkOutput(t *testing.T, command *exec.Cmd, code int, wantOut, wantErr string) {
	t.Helper()
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	_ = command.Run() // the exit code is looked at
	if got := command.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	if stdout.String() != wantOut {
		t.Errorf("stdout %q, want %q", stdout.String(), wantOut)
	}
	if stderr.String() != wantErr {
		t.Errorf("stderr %q, want %q", stderr.String(), wantErr)
	}
}
