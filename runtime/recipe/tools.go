package recipe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Toolchain is the Go release that compiles everything. The go command fetches
// it as a module when the host's is another one.
const Toolchain = "go1.26.8"

// tools is what the recipe calls on the host, and the environment it calls it
// with: the host's settings of caches and proxies, and nothing else of the
// host that could reach an executable.
type tools struct {
	golang  string // the go command
	goroot  string
	gocache string
	modules string // the module cache
	env     []string
}

// passedOn are settings of the host that tell where modules come from, not
// what is built from them.
var passedOn = []string{
	"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}

func (b *builder) findTools(ctx context.Context) (tools, error) {
	golang, err := exec.LookPath("go")
	if err != nil {
		return tools{}, cli.WithHint(fmt.Errorf("find the go command: %w", err), "run tools/setup, or add Go's folder to PATH")
	}
	for _, program := range []string{"mmdebstrap", "dpkg-deb", "unshare", "chroot", "apt-get"} {
		if _, err := exec.LookPath(program); err != nil {
			return tools{}, cli.WithHint(err, "run tools/setup as root, it installs what is missing")
		}
	}
	t := tools{golang: golang}
	for _, name := range passedOn {
		if value, ok := os.LookupEnv(name); ok {
			t.env = append(t.env, name+"="+value)
		}
	}
	query := exec.CommandContext(ctx, golang, "env", "-json", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOCACHE", "GOMODCACHE")
	query.Dir = b.source
	output, err := query.Output()
	if err != nil {
		return tools{}, fmt.Errorf("go env: %w", commandError(err))
	}
	var settings map[string]string
	if err := json.Unmarshal(output, &settings); err != nil {
		return tools{}, fmt.Errorf("go env: %w", err)
	}
	for name, value := range settings {
		t.env = append(t.env, name+"="+value)
	}
	t.gocache, t.modules = settings["GOCACHE"], settings["GOMODCACHE"]
	t.env = append(t.env, "GOTOOLCHAIN="+Toolchain, "GOENV=off", "GOWORK=off", "GOFLAGS=-mod=readonly", "GOTELEMETRY=off",
		"GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOEXPERIMENT=", "GODEBUG=", "CGO_ENABLED=0", "LC_ALL=C", "TZ=UTC")
	root, err := t.run(ctx, b.source, golang, "env", "GOROOT")
	if err != nil {
		return tools{}, cli.WithHint(fmt.Errorf("get %s: %w", Toolchain, err), "the go command fetches toolchains as modules: check GOPROXY")
	}
	t.goroot = strings.TrimSpace(root)
	if version, err := t.run(ctx, b.source, filepath.Join(t.goroot, "bin", "go"), "env", "GOVERSION"); err != nil {
		return tools{}, err
	} else if got := strings.TrimSpace(version); got != Toolchain {
		return tools{}, fmt.Errorf("the go command in %s is %s, not %s", t.goroot, got, Toolchain)
	}
	return t, nil
}

// run runs a command with the recipe's environment and returns its standard
// output. The error carries the end of its standard error.
func (t tools) run(ctx context.Context, folder string, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	command.Env = t.env
	// The compilers that the go command starts end with it.
	command.SysProcAttr = endWithParent()
	command.SysProcAttr.Setpgid = true
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w%s", filepath.Base(name), strings.Join(args, " "), err, lastLines(stderr.String()))
	}
	return stdout.String(), nil
}

// commandError adds what a command said to its exit status.
func commandError(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w%s", err, lastLines(string(exit.Stderr)))
	}
	return err
}

// lastLines is the end of a command's output, for an error message.
func lastLines(output string) string {
	const most = 12
	output = strings.TrimSpace(output)
	if output == "" {
		return ""
	}
	lines := strings.Split(output, "\n")
	if len(lines) > most {
		lines = append([]string{"…"}, lines[len(lines)-most:]...)
	}
	return "\n  " + strings.Join(lines, "\n  ")
}
