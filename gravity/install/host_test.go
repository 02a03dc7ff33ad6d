package install

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// TestCompletion wants bash's completion to come and go, and that of somebody
// else to stay.
func TestCompletion(t *testing.T) {
	folder := t.TempDir()
	program, path := filepath.Join(folder, "program"), filepath.Join(folder, "completions", "gravity")
	write(t, program, "#!/bin/sh\necho \"words of $*\"\n", 0o755)
	do := func(what string, act func() error, want string) {
		t.Helper()
		if err := act(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if content, _ := os.ReadFile(path); string(content) != want {
			t.Errorf("%s: %q, want %q", what, content, want)
		}
	}
	install := func() error { return installCompletion(t.Context(), filepath.Dir(path), program) }
	remove := func() error { return removeCompletion(filepath.Dir(path)) }
	do("without bash", install, "")
	do("nothing there", remove, "")
	const ours, others = completionMark + "words of completion bash\n", "# another gravity\n"
	write(t, filepath.Join(filepath.Dir(path), "more"), "", 0o600)
	do("install", install, ours)
	write(t, path, completionMark+"old words", 0o600)
	do("again", install, ours)
	do("remove", remove, "")
	write(t, path, others, 0o600)
	do("somebody else's", install, others)
	do("somebody else's", remove, others)
}

const deadCluster = `apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: a, user: {token: x}}]
`

// TestRollbackApplication wants an application without its cluster to be
// forgotten, and one whose cluster does not answer to be an error that says how
// to go on.
func TestRollbackApplication(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	phase := &installApplication{&environment{paths: p, settings: Settings{Node: node.Node{Application: "shop", Version: "1.0.0"}}}}
	if err := phase.Rollback(t.Context()); err != nil {
		t.Errorf("nothing was begun: %v", err)
	}
	write(t, filepath.Join(p.Application("shop", "1.0.0"), "app.yaml"), "", 0o600)
	write(t, p.KubernetesFile("admin.conf"), deadCluster, 0o600)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := phase.Rollback(ctx)
	if err == nil || !strings.Contains(err.Error(), "the application's hooks need the cluster: wait for the API server") || len(cli.Hints(err)) != 1 {
		t.Errorf("the cluster is dead: %v, hints %q", err, cli.Hints(err))
	}
	if err := os.Remove(p.KubernetesFile("admin.conf")); err != nil {
		t.Fatal(err)
	}
	if err := phase.Rollback(t.Context()); err != nil || exists(p.Application("shop", "1.0.0")) {
		t.Errorf("there is no cluster: %v", err)
	}
}
