package apps_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	os.Exit(m.Run())
}

// allVariable asks for installations with all runtimes instead of the oldest one;
// other tests install the newest.
const allVariable = "EXAMPLE_TEST_ALL"

// TestInstall installs the example's bundle by the guide's own commands on a
// machine that reaches nobody, writes rows, cuts the power, and wants all rows
// back.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("boots machines; run without -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("lab machines need root")
	}
	catalogue, err := runtime.Releases()
	if err != nil {
		t.Fatal(err)
	}
	versions := catalogue.Versions()
	if os.Getenv(allVariable) == "" {
		versions = versions[len(versions)-1:]
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) { installExample(t, version) })
	}
}

func installExample(t *testing.T, version string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.tar")
	run(t, "tele", "build", "ledger", "-o", path, "--set-dep=kubernetes:"+version)
	machines, err := lab.New(t.Context(), lab.Options{Name: "example", Count: 1, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := machines.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	machine := machines.Machines()[0]
	bundle, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer bundle.Close()
	do := func(script string) string {
		t.Helper()
		result, err := machine.Run(t.Context(), lab.Command{Args: []string{"sh", "-c", script}})
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return strings.TrimSpace(result.Stdout)
	}
	extract := lab.Command{Args: []string{"sh", "-c", "mkdir /root/ledger && tar -x -C /root/ledger"}, Stdin: bundle}
	if _, err := machine.Run(t.Context(), extract); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	do("cd /root/ledger && ./install --cluster=example")
	t.Logf("installed and answering after %s", time.Since(started).Round(100*time.Millisecond))
	if got := do("kubectl version -o yaml | grep -A9 serverVersion | sed -n 's/.*gitVersion: //p'"); got != "v"+version {
		t.Errorf("the API server is %s", got)
	}
	status, err := machine.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := ledger{address: "http://" + net.JoinHostPort(status.Address.String(), "30080")}
	for i := range 10 {
		client.add(t, fmt.Sprintf("row %d", i))
	}
	client.check(t)
	// The web application is nothing that the restricted policy minds; members of
	// the database begin as root.
	do("kubectl rollout restart deployment/ledger --as=dev --as-group=edit && kubectl rollout status deployment/ledger --timeout=3m")
	refused := lab.Command{Args: []string{"kubectl", "rollout", "restart", "statefulset/ledger-db", "--as=dev", "--as-group=edit"}}
	if _, err := machine.Run(t.Context(), refused); err == nil || !strings.Contains(err.Error(), "runAsUser") {
		t.Errorf("the restricted policy does not hold: %v", err)
	}
	client.check(t)
	if err := machine.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := machine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	started = time.Now()
	client.wait(t, 3*time.Minute)
	t.Logf("answering again %s after the power came back", time.Since(started).Round(100*time.Millisecond))
	client.check(t)
	do("gravity system uninstall --confirm")
	if left := do("ls -A /var/lib/gravity 2>/dev/null; pgrep -a 'kube|etcd|containerd' || true"); left != "" {
		t.Errorf("left after the removal:\n%s", left)
	}
}

// ledger is the application as its users see it.
type ledger struct {
	address string
	// rows are those that were acknowledged.
	rows []string
}

func (l *ledger) add(t *testing.T, text string) {
	t.Helper()
	if body, err := l.ask(t, http.MethodPost, "/rows", text); err != nil {
		t.Fatalf("row %q: %v: %s", text, err, body)
	}
	l.rows = append(l.rows, text)
}

// check wants all rows, in their order.
func (l *ledger) check(t *testing.T) {
	t.Helper()
	body, err := l.ask(t, http.MethodGet, "/rows", "")
	var listed []struct{ Text string }
	if err == nil {
		err = json.Unmarshal(body, &listed)
	}
	if err != nil {
		t.Fatalf("rows: %v: %s", err, body)
	}
	var rows []string
	for _, row := range listed {
		rows = append(rows, row.Text)
	}
	if !slices.Equal(rows, l.rows) {
		t.Errorf("rows %q instead of %q", rows, l.rows)
	}
}

// wait waits until the application answers.
func (l *ledger) wait(t *testing.T, limit time.Duration) {
	t.Helper()
	for started := time.Now(); ; time.Sleep(500 * time.Millisecond) {
		body, err := l.ask(t, http.MethodGet, "/readyz", "")
		if err == nil {
			return
		}
		if time.Since(started) > limit {
			t.Fatalf("no answer after %s: %v: %s", limit, err, body)
		}
	}
}

func (l *ledger) ask(t *testing.T, method, path, text string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, l.address+path, strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = errors.New(response.Status)
	}
	return body, err
}
