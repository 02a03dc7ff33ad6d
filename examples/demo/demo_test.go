package demo_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/provider/terraformtest"
)

const (
	labName = "demo-test"
	root    = "../.."
)

// TestDemo does what `make demo` and `make demo-down` do, with machines of its
// own. After the apply there is nothing to change, and after the destroy nothing of
// Gravity is left on the machines.
func TestDemo(t *testing.T) {
	installtest.SkipWithoutLab(t)
	terraformtest.Need(t)
	terraform := os.Getenv(terraformtest.Path)
	t.Setenv("TERRAFORM", terraform)
	d := &demo{T: t, folder: filepath.Join(t.TempDir(), "work")}
	t.Cleanup(func() { d.remove() })
	d.do("build", "machines")
	opened, err := lab.Open(t.Context(), lab.Options{Name: labName})
	if err != nil {
		t.Fatal(err)
	}
	machines := opened.Machines()
	before := d.snapshots(machines)
	d.do("apply", "show")
	plan := exec.CommandContext(t.Context(), terraform, "-chdir="+d.folder, "plan", "-input=false", "-no-color", "-detailed-exitcode")
	if output, err := plan.CombinedOutput(); err != nil {
		t.Errorf("a plan after the apply has changes: %v\n%s", err, output)
	}
	d.do("destroy")
	for i, after := range d.snapshots(machines) {
		installtest.Compare(t, before[i], after)
	}
}

// demo runs the steps of the demonstration's script.
type demo struct {
	*testing.T
	folder string
}

func (d *demo) do(steps ...string) {
	d.Helper()
	began := time.Now()
	if err := d.run(d.Context(), steps...); err != nil {
		d.Fatalf("tools/demo.sh %q: %v", steps, err)
	}
	d.Logf("%.0f s for %q", time.Since(began).Seconds(), steps)
}

func (d *demo) run(ctx context.Context, steps ...string) error {
	command := exec.CommandContext(ctx, "tools/demo.sh", steps...)
	command.Dir = root
	command.Env = append(os.Environ(), "DEMO_LAB="+labName, "DEMO_DIR="+d.folder)
	command.Stdout, command.Stderr = d.Output(), d.Output()
	// An interrupted Terraform waits for the end of what it does.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	return command.Run()
}

func (d *demo) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := d.run(ctx, "remove"); err != nil {
		d.Error(err)
	}
	if _, err := lab.Open(ctx, lab.Options{Name: labName}); !errors.Is(err, lab.ErrNotExist) {
		d.Errorf("the lab is still there: %v", err)
	}
}

// notGravitys are lines of snapshots about what logins leave, and about the rows of
// the application, which its hooks never remove.
var notGravitys = regexp.MustCompile(`(?m)^(/run/user/\d+|/run/motd.dynamic|/home/admin/.sudo_as_admin_successful|/var/lib/gravity-local(/.*)?)\n`)

// snapshots tell how the machines are.
func (d *demo) snapshots(machines []*lab.Machine) []string {
	d.Helper()
	var taken []string
	for _, machine := range machines {
		result, err := machine.Run(d.Context(), lab.Command{Args: []string{"bash", "-c", installtest.Snapshot}})
		if err != nil {
			d.Fatal(err)
		}
		taken = append(taken, notGravitys.ReplaceAllString(result.Stdout, ""))
	}
	return taken
}
