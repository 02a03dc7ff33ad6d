package kernel

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write writes files below a folder.
func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestore wants what was recorded first back, but not what is configured,
// nor what Gravity leaves alone.
func TestRestore(t *testing.T) {
	folder := t.TempDir()
	root := filepath.Join(folder, "sys")
	s := &Settings{root: root, configured: []string{filepath.Join(folder, "*.conf")}}
	record := filepath.Join(folder, "record", "kernel.json")
	before := map[string]string{
		"net/ipv4/ip_forward":                  "0\n",
		"net/ipv4/conf/all/forwarding":         "0\n",
		"net/ipv4/conf/eth0/forwarding":        "1\n",
		"net/ipv4/conf/gone/forwarding":        "0\n",
		"net/ipv4/conf/all/accept_redirects":   "1\n",
		"net/ipv6/conf/all/forwarding":         "0\n",
		"net/ipv6/conf/eth0/forwarding":        "0\n",
		"kernel/panic":                         "0\n",
		"fs/inotify/max_user_instances":        "128\n",
		"net/bridge/bridge-nf-call-iptables":   "0\n",
		"net/netfilter/nf_conntrack_max":       "1000\n",
		"net/netfilter/nf_conntrack_tcp_loose": "1\n",
	}
	write(t, root, before)
	if err := s.Record(record); err != nil {
		t.Fatal(err)
	}
	write(t, root, map[string]string{
		"net/ipv4/ip_forward": "1\n", "net/ipv4/conf/all/forwarding": "1\n", "net/ipv4/conf/all/accept_redirects": "0\n",
		"net/ipv4/conf/cni0/forwarding": "1\n", "net/ipv6/conf/all/forwarding": "1\n", "net/ipv6/conf/eth0/forwarding": "1\n",
		"kernel/panic": "10\n", "fs/inotify/max_user_instances": "8192\n", "net/bridge/bridge-nf-call-iptables": "1\n",
	})
	if err := os.RemoveAll(filepath.Join(root, "net/ipv4/conf/gone")); err != nil {
		t.Fatal(err)
	}
	// The administrator has asked for some of it meanwhile.
	write(t, folder, map[string]string{"50-site.conf": "# kernel.panic = 10\n\n; net.ipv4.ip_forward=1\n-net.ipv6.conf.all.forwarding = 1\nkernel/panic=5\n"})
	if err := s.Record(record); err != nil {
		t.Fatal(err) // by an installation that is resumed
	}
	changed, err := s.Restore(record)
	want := []string{
		"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.all.accept_redirects",
		"net.ipv6.conf.eth0.forwarding", "net.bridge.bridge-nf-call-iptables", "kernel.panic",
	}
	if diff := cmp.Diff(want, changed); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for name, want := range map[string]string{
		"net/ipv4/ip_forward": "0", "net/ipv4/conf/eth0/forwarding": "1\n", "net/ipv6/conf/all/forwarding": "1\n",
		"kernel/panic": "0", "fs/inotify/max_user_instances": "8192\n",
	} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || string(content) != want {
			t.Errorf("%s is %q (%v), want %q", name, content, err, want)
		}
	}
	if changed, err := s.Restore(record); len(changed) > 0 || err != nil {
		t.Errorf("again: %q, %v", changed, err)
	}
}

// TestRestoreBadRecord wants a record that cannot be read to be an error, and
// names that lead elsewhere to be left out.
func TestRestoreBadRecord(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, map[string]string{
		"bad": "{", "outside": `[{"name": "../victim", "value": "1"}]`, "victim": "0", "sys/x": "",
	})
	s := &Settings{root: filepath.Join(folder, "sys")}
	if _, err := s.Restore(filepath.Join(folder, "bad")); err == nil {
		t.Error("a bad record is no error")
	}
	changed, err := s.Restore(filepath.Join(folder, "outside"))
	if content, _ := os.ReadFile(filepath.Join(folder, "victim")); string(content) != "0" || err != nil || len(changed) > 0 {
		t.Errorf("changed %q, %v", changed, err)
	}
}
