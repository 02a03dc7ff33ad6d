package resources_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/provider/terraformtest"
)

const (
	// seedVariable repeats a run of TestAccInterruptions.
	seedVariable = "GRAVITY_TEST_SEED"
	// allVariable kills ten times instead of twice.
	allVariable = "GRAVITY_TEST_ALL"
)

// program is Terraform in a folder, with the provider as it is built from here.
type program struct {
	*site
	folder string
	env    []string
}

func newProgram(s *site) *program {
	s.Helper()
	bin := s.TempDir()
	build := exec.CommandContext(s.Context(), "go", "build", "-o", filepath.Join(bin, "terraform-provider-gravity"), "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		s.Fatalf("build the provider: %v\n%s", err, output)
	}
	p := &program{site: s, folder: s.TempDir()}
	settings := filepath.Join(bin, "terraformrc")
	s.write(settings, "provider_installation {\n  dev_overrides { \"gravity-platform/gravity\" = \""+bin+"\" }\n  direct {}\n}\n")
	p.env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+settings, "TF_IN_AUTOMATION=1", "TF_LOG=TRACE", "TF_LOG_PATH="+filepath.Join(p.folder, "log"))
	return p
}

func (s *site) write(path, content string) {
	s.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.Fatal(err)
	}
}

// start starts Terraform in a process group of its own.
func (p *program) start(args ...string) (*exec.Cmd, *bytes.Buffer) {
	p.Helper()
	command := exec.CommandContext(p.Context(), os.Getenv(terraformtest.Path), args...)
	command.Dir, command.Env = p.folder, p.env
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		p.Fatal(err)
	}
	return command, &output
}

// terraform runs Terraform to its end and returns what it prints, and its exit code.
func (p *program) terraform(args ...string) (string, int) {
	p.Helper()
	command, output := p.start(args...)
	err := command.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.Fatal(err)
	}
	return output.String(), command.ProcessState.ExitCode()
}

func (p *program) must(args ...string) string {
	p.Helper()
	output, code := p.terraform(args...)
	if code != 0 {
		p.Fatalf("terraform %s: exit code %d\n%s", strings.Join(args, " "), code, output)
	}
	return output
}

// attribute is one of the cluster in the state; empty if there is no cluster.
func (p *program) attribute(name string) string {
	p.Helper()
	var shown struct {
		Values struct {
			Root struct {
				Resources []struct{ Values map[string]any }
			} `json:"root_module"`
		}
	}
	if err := json.Unmarshal([]byte(p.must("show", "-json")), &shown); err != nil {
		p.Fatal(err)
	}
	for _, one := range shown.Values.Root.Resources {
		text, _ := one.Values[name].(string)
		return text
	}
	return ""
}

// operations are the IDs of operations that the machine has.
func (p *program) operations() string {
	return p.site.must(1, "ls /var/lib/gravity/operations 2>/dev/null || true")
}

// TestAccInterruptions kills Terraform in the middle of an installation, and
// interrupts it: what the next one finds is the same installation, which ran once.
func TestAccInterruptions(t *testing.T) {
	s := newSite(t, 1)
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("%s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	rounds := 1
	if os.Getenv(allVariable) != "" {
		rounds = 5
	}
	p := newProgram(s)
	s.write(filepath.Join(p.folder, "main.tf"), "terraform {\n  required_providers {\n    gravity = { source = \"gravity-platform/gravity\" }\n  }\n}\n"+
		s.provider("")+s.cluster())
	for range rounds {
		p.round(random)
	}
	s.searched([]string{s.secret, strings.Split(s.key, "\n")[2]}, p.folder)
}

// round installs the cluster with interruptions, and removes it.
func (p *program) round(random *rand.Rand) {
	began := time.Now()
	for range 2 {
		p.killed(time.Duration(random.Int64N(int64(20 * time.Second))))
	}
	p.interrupted()
	output, code := p.terraform("apply", "-auto-approve", "-no-color")
	if code != 0 {
		p.Fatalf("the last apply: exit code %d\n%s", code, output)
	}
	p.Logf("%5.1f s: installed", time.Since(began).Seconds())
	ids := p.operations()
	if status, id := p.attribute("operation_status"), p.attribute("operation_id"); status != "completed" || id != ids {
		p.Errorf("the installation %s is %s, and the machine has the operations %q", id, status, ids)
	}
	if runs := p.site.must(1, "ls /var/lib/gravity/detached | wc -l"); runs != "1" {
		p.Errorf("%s commands were started", runs)
	}
	if output, code := p.terraform("plan", "-detailed-exitcode", "-no-color"); code != 0 {
		p.Errorf("plan after it: exit code %d\n%s", code, output)
	}
	p.must("destroy", "-auto-approve", "-no-color")
	p.Logf("%5.1f s: destroyed", time.Since(began).Seconds())
	p.asBefore(1)
}

// killed kills an apply and the provider after some time.
func (p *program) killed(delay time.Duration) {
	p.Helper()
	before := p.operations()
	command, output := p.start("apply", "-auto-approve", "-no-color")
	time.Sleep(delay)
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	_ = command.Wait() // it was killed
	after := p.operations()
	p.Logf("killed after %s, with the operations %q", delay, after)
	if before != "" && after != before {
		p.Errorf("the operation %s became %s\n%s", before, after, output)
	}
}

// interrupted presses Ctrl-C while the provider waits for the installation, unless the
// apply that was killed before came to its end.
func (p *program) interrupted() {
	p.Helper()
	log := filepath.Join(p.folder, "log")
	// What was logged before is searched for secrets later.
	if err := os.Rename(log, fmt.Sprintf("%s.%d", log, time.Now().UnixNano())); err != nil {
		p.Fatal(err)
	}
	command, output := p.start("apply", "-auto-approve", "-no-color")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // it is interrupted
	}()
	for {
		content, _ := os.ReadFile(log) // it comes soon
		if bytes.Contains(content, []byte(`"operationId"`)) {
			break
		}
		select {
		case <-ended:
			if p.attribute("operation_status") != "completed" {
				p.Fatalf("terraform ended before it knew of an operation\n%s", output)
			}
			p.Logf("there was nothing to interrupt: the installation had completed")
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGINT)
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		p.Fatal("terraform does not end")
	}
	status := p.attribute("operation_status")
	p.Logf("interrupted, and the operation is %s", status)
	if status == "" {
		p.Errorf("the interrupted apply has left no state:\n%s", output)
	}
	if status == "running" && !strings.Contains(output.String(), "Installation goes on") {
		p.Errorf("nobody is told that the installation goes on:\n%s", output)
	}
}
