package container

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestDefaultEnvironment(t *testing.T) {
	got := defaultEnvironment(node.Environment{"B": "a \"b\" 'c' 50% $HOME \\x\nd\te", "A": ""})
	want := "[Manager]\nDefaultEnvironment=\"A=\"\nDefaultEnvironment=\"B=a \\\"b\\\" 'c' 50%% $HOME \\\\x\\nd\\te\"\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestWriteEnvironment wants systemd's file to follow the node's.
func TestWriteEnvironment(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	n := &node.Node{Runtime: "1.2.3"}
	path := filepath.Join(p.Rootfs(n.Runtime), "etc/systemd/system.conf.d/environment.conf")
	for _, environment := range []node.Environment{nil, {"A": "b"}, {"A": "c"}, nil, nil} {
		if err := environment.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := New(p).writeEnvironment(n); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if len(environment) == 0 {
			if err == nil {
				t.Error("the file stays")
			}
			continue
		}
		content, readErr := os.ReadFile(path)
		if err != nil || readErr != nil || info.Mode() != 0o600 || string(content) != defaultEnvironment(environment) {
			t.Errorf("%v: %q, %v", environment, content, err)
		}
	}
}
