package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/examples/images/book"
	"github.com/gravity-platform/terraform-provider-gravity/examples/images/etcdtest"
)

// run runs the program with standard input from a file, or an empty one.
func run(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	command := newRootCommand()
	var output bytes.Buffer
	command.SetOut(&output)
	command.SetErr(&bytes.Buffer{})
	command.SetIn(strings.NewReader(input))
	command.SetArgs(args)
	err := command.ExecuteContext(t.Context())
	return output.String(), err
}

func mustRun(t *testing.T, input string, args ...string) string {
	t.Helper()
	output, err := run(t, input, args...)
	if err != nil {
		t.Fatalf("ledger %s: %v", strings.Join(args, " "), err)
	}
	return output
}

// TestHookCommands goes through what the hooks do with the database.
func TestHookCommands(t *testing.T) {
	client := etcdtest.Start(t)
	t.Setenv(databaseVariable, strings.Join(client.Endpoints(), ","))
	rows := book.New(client, 1)
	for _, text := range []string{"one", "two"} {
		if _, _, err := rows.Append(t.Context(), text, ""); err != nil {
			t.Fatal(err)
		}
	}
	saved := mustRun(t, "", "dump")
	if _, _, err := rows.Append(t.Context(), "three", ""); err != nil {
		t.Fatal(err)
	}
	mustRun(t, saved, "load")
	if again := mustRun(t, "", "dump"); again != saved {
		t.Errorf("restored:\n%swant:\n%s", again, saved)
	}
	for _, test := range []struct{ version, want string }{
		{"1.4.0", "schema 1: 0 rows changed\n"},
		{"2.0.0", "schema 2: 2 rows changed\n"},
		{"2.0.0", "schema 2: 0 rows changed\n"},
	} {
		defer func(before string) { version = before }(version)
		version = test.version
		if got := mustRun(t, "", "migrate"); got != test.want {
			t.Errorf("migrate of %s prints %q, want %q", test.version, got, test.want)
		}
	}
	if _, err := run(t, "nonsense", "load"); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("loading nonsense gives %v", err)
	}
}

func TestCheck(t *testing.T) {
	answers := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answers++
		if answers < 2 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"version":"2.0.0"}`))
	}))
	defer server.Close()
	mustRun(t, "", "check", server.URL, "--contains=2.0.0")
	_, err := run(t, "", "check", server.URL, "--contains=3.0.0", "--within=10ms")
	if err == nil || !strings.Contains(err.Error(), `its answer does not have "3.0.0"`) {
		t.Errorf("another version gives %v", err)
	}
}

func TestOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives folders away")
	}
	folder := filepath.Join(t.TempDir(), "member")
	for range 2 {
		mustRun(t, "", "own", folder)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		t.Errorf("%v (%v)", info, err)
	}
}

func TestNoDatabase(t *testing.T) {
	t.Setenv(databaseVariable, "")
	for _, name := range []string{"dump", "migrate", "serve"} {
		if _, err := run(t, "", name); err == nil || !strings.Contains(err.Error(), databaseVariable) {
			t.Errorf("%s without a database gives %v", name, err)
		}
	}
}
