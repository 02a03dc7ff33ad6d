package kubeadm

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// TestRegister changes one field of the kubelet's configuration, and of the patch.
func TestRegister(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	if err := Registered(p); err == nil {
		t.Error("a kubelet without a configuration is told not to register")
	}
	config, patch := filepath.Join(p.Kubelet(), "config.yaml"), p.KubernetesFile("patches", patchName)
	for _, file := range []string{config, patch} {
		if err := paths.WriteFile(file, []byte("kind: KubeletConfiguration\nmaxPods: 77\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		register bool
		want     string
	}{{false, "registerNode: false"}, {false, "registerNode: false"}, {true, "registerNode: true"}} {
		if err := SetRegister(p, test.register); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{config, patch} {
			content, err := os.ReadFile(file)
			if err != nil || string(content) != "kind: KubeletConfiguration\nmaxPods: 77\n"+test.want+"\n" {
				t.Errorf("%s is %s, %v", file, content, err)
			}
		}
	}
}

func TestRenewConfig(t *testing.T) {
	n := &node.Node{Cluster: "test", Name: "node-1", Address: netip.MustParseAddr("10.0.0.1"), Runtime: "1.37.2"}
	content, err := renewConfig(n)
	if err != nil || strings.Contains(string(content), "ValidityPeriod") || !strings.Contains(string(content), "kubernetesVersion: v1.37.2\n") {
		t.Errorf("%s, %v", content, err)
	}
	n.CertificateLifetime = 6 * time.Minute
	if content, err = renewConfig(n); err != nil || !strings.Contains(string(content), "certificateValidityPeriod: 6m0s\n") {
		t.Errorf("%s, %v", content, err)
	}
	config := &Config{CertificateLifetime: 6 * time.Minute, PodNetwork: netip.MustParsePrefix("10.1.0.0/16"), ServiceNetwork: netip.MustParsePrefix("10.2.0.0/16")}
	if content, err = config.Init(false); err != nil || !strings.Contains(string(content), "certificateValidityPeriod: 6m0s\n") ||
		!strings.Contains(string(content), "name: cluster-signing-duration\n    value: 6m0s\n") {
		t.Errorf("%s, %v", content, err)
	}
}
