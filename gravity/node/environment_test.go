package node_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestExempt(t *testing.T) {
	hosts := []string{"localhost", "10.0.0.0/8"}
	for _, test := range []struct {
		name        string
		given, want node.Environment
		kept        bool
	}{
		{"none", nil, nil, false},
		{"no proxy", node.Environment{"A": "b"}, node.Environment{"A": "b"}, false},
		{"proxy", node.Environment{"HTTPS_PROXY": "x"}, node.Environment{"HTTPS_PROXY": "x", "NO_PROXY": "localhost,10.0.0.0/8", "no_proxy": "localhost,10.0.0.0/8"}, false},
		{"lower case", node.Environment{"http_proxy": "x"}, node.Environment{"http_proxy": "x", "NO_PROXY": "localhost,10.0.0.0/8", "no_proxy": "localhost,10.0.0.0/8"}, false},
		{"empty", node.Environment{"http_proxy": ""}, node.Environment{"http_proxy": ""}, false},
		{"kept", node.Environment{"HTTP_PROXY": "x", "no_proxy": "y"}, node.Environment{"HTTP_PROXY": "x", "no_proxy": "y"}, true},
		{"nothing to keep it for", node.Environment{"no_proxy": "y"}, node.Environment{"no_proxy": "y"}, false},
	} {
		got, kept := test.given.Exempt(hosts)
		if diff := cmp.Diff(test.want, got); diff != "" || kept != test.kept {
			t.Errorf("%s: kept %v\n%s", test.name, kept, diff)
		}
	}
}

// TestEnvironmentFile wants a file that only root reads, none for nothing, and
// no values in errors.
func TestEnvironmentFile(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	if got, err := node.ReadEnvironment(p); err != nil || len(got) != 0 {
		t.Errorf("without a file: %v, %v", got, err)
	}
	want := node.Environment{"A": "b\n\"'%$"}
	if err := want.Write(p); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(p.Environment()); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	got, err := node.ReadEnvironment(p)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if err := os.WriteFile(p.Environment(), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.ReadEnvironment(p); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a file that is none: %v", err)
	}
	for range 2 {
		if err := (node.Environment{}).Write(p); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(p.Environment()); err == nil {
		t.Error("the file of an empty environment stays")
	}
}
