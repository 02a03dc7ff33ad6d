package kube_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// TestOpenKubelet finds the certificate that the kubelet's configuration names by
// a link, where neither path is the host's.
func TestOpenKubelet(t *testing.T) {
	folder := t.TempDir()
	config := filepath.Join(folder, "kubelet.conf")
	content := `{"apiVersion":"v1","kind":"Config","current-context":"c",
"clusters":[{"name":"k","cluster":{"server":"https://127.0.0.1:1"}}],
"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],
"users":[{"name":"u","user":{"client-certificate":"/var/lib/kubelet/pki/current.pem","client-key":"/var/lib/kubelet/pki/current.pem"}}]}`
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "pki"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/lib/kubelet/pki/newest.pem", filepath.Join(folder, "pki", "current.pem")); err != nil {
		t.Fatal(err)
	}
	_, err := kube.OpenKubelet(config, folder)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(folder, "pki", "newest.pem")) {
		t.Errorf("without the certificate: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "pki", "newest.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = kube.OpenKubelet(config, folder); err != nil {
		t.Errorf("with the file: %v", err) // what is in it is looked at when it is used
	}
}
