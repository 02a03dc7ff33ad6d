package node

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// gravityOf answers like a gravity would.
const gravityOf = `#!/bin/sh
case "$*" in
"version -o json") echo '{"version":"1.2.3","commit":"abc","later":true}' ;;
"status -o json") echo '{"id":"1","state":"degraded"}'; exit 3 ;;
"plan -o json") echo '{"progress":{}}' >&2; echo '{"error":"there is no operation","hints":["start one"],"code":1}' >&2; exit 1 ;;
*) echo not what was asked; ;;
esac
`

func TestGravity(t *testing.T) {
	one, config := machine(t, "one")
	for _, user := range []string{"root", "admin"} {
		t.Run(user, func(t *testing.T) {
			config := config
			config.User = user
			_, node := reach(t, config)
			if _, err := node.Version(t.Context()); !errors.Is(err, ErrNoGravity) {
				t.Errorf("a machine without gravity: %v", err)
			}
			if err := one.CopyTo(t.Context(), strings.NewReader(gravityOf), "/usr/local/bin/gravity", 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { sh(t, one, "rm /usr/local/bin/gravity") })
			if info, err := node.Version(t.Context()); err != nil || info.Version != "1.2.3" {
				t.Errorf("the version is %+v: %v", info, err)
			}
			if operation, err := Query[report.Operation](t.Context(), node, "status"); err != nil || operation.State != "degraded" {
				t.Errorf("the status is %+v: %v", operation, err)
			}
			_, err := Query[report.Operation](t.Context(), node, "plan")
			failed, ok := errors.AsType[*GravityError](err)
			if !ok || failed.Message != "there is no operation" || !slices.Equal(cli.Hints(err), []string{"start one"}) {
				t.Errorf("gravity's error: %v, %q", err, cli.Hints(err))
			}
			if _, err := Query[report.Operation](t.Context(), node, "other"); err == nil {
				t.Error("what is not JSON was accepted")
			}
		})
	}
}

// TestRealGravity asks the gravity of this source on a machine without a cluster.
func TestRealGravity(t *testing.T) {
	two, config := machine(t, "two")
	program := filepath.Join(t.TempDir(), "gravity")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "../../gravity")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build gravity: %v\n%s", err, output)
	}
	if err := two.CopyFileTo(t.Context(), program, "/root/gravity", 0o755); err != nil {
		t.Fatal(err)
	}
	config.User = "admin"
	_, node := reach(t, config)
	node.gravity = "/root/gravity"
	if info, err := node.Version(t.Context()); err != nil || info.Version != version.Get().Version {
		t.Errorf("the version is %+v: %v", info, err)
	}
	for name, ask := range map[string]func() error{
		"status":    func() error { _, err := node.Status(t.Context()); return err },
		"operation": func() error { _, err := node.Operation(t.Context(), "missing"); return err },
		"plan":      func() error { _, err := node.Plan(t.Context(), ""); return err },
	} {
		if _, ok := errors.AsType[*GravityError](ask()); !ok {
			t.Errorf("%s without a cluster: %v", name, ask())
		}
	}
}
