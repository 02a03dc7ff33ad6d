package kubeadm_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", name, diff)
	}
}

func config(options manifest.SystemOptions) *kubeadm.Config {
	return &kubeadm.Config{
		Cluster: "test", Node: "node-1", Address: netip.MustParseAddr("10.0.0.1"), Version: "1.37.2",
		PodNetwork: netip.MustParsePrefix("10.244.0.0/16"), ServiceNetwork: netip.MustParsePrefix("10.100.0.0/16"),
		Options: options,
	}
}

func TestInit(t *testing.T) {
	for name, c := range map[string]*kubeadm.Config{
		"plain.yaml": config(manifest.SystemOptions{}),
		"profile.yaml": func() *kubeadm.Config {
			c := config(manifest.SystemOptions{
				Kubelet: manifest.Kubelet{Args: []string{"--max-pods=42", "--v=4"}},
				Etcd:    manifest.Etcd{Args: []string{"--quota-backend-bytes=100"}},
			})
			c.Taints = []manifest.Taint{
				{Key: "node-role.kubernetes.io/master", Effect: manifest.TaintNoSchedule},
				{Key: "custom", Value: "x", Effect: manifest.TaintNoExecute},
			}
			c.FeatureGates = map[string]bool{"B": false, "A": true}
			c.HostConntrack = true
			return c
		}(),
	} {
		content, err := c.Init(false)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, content)
	}
}

func TestPatch(t *testing.T) {
	for name, options := range map[string]manifest.SystemOptions{
		"patch-none.yaml": {},
		"patch-hairpin.yaml": {
			Kubelet: manifest.Kubelet{HairpinMode: manifest.HairpinVeth, Args: []string{
				`--eviction-hard="nodefs.available<10%,memory.available<1Gi"`, "--eviction-soft=nodefs.available<12%",
				"--feature-gates=X=true", "--serialize-image-pulls", "--unknown-flag=1", "--container-runtime=docker",
				"--node-status-update-frequency=90s",
			}},
		},
	} {
		content, err := config(options).Patch()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, content)
	}
}

func TestParseKubeletFlagsFails(t *testing.T) {
	for _, arg := range []string{
		"--max-pods=many", "--eviction-hard=nodefs.available=5%", "--serialize-image-pulls=maybe", "--sync-frequency=1",
		"--feature-gates=X=perhaps", "--kube-reserved=cpu",
	} {
		_, err := kubeadm.ParseKubeletFlags(manifest.Kubelet{Args: []string{arg}}.Flags())
		flag, _, _ := strings.Cut(arg, "=")
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func FuzzParseKubeletFlags(f *testing.F) {
	f.Add(`--eviction-hard="nodefs.available<10%"`)
	f.Add("--kube-reserved=cpu=1,memory=1Gi")
	f.Fuzz(func(t *testing.T, arg string) {
		if _, err := kubeadm.ParseKubeletFlags(manifest.Kubelet{Args: []string{arg}}.Flags()); err != nil {
			return
		}
		if _, err := config(manifest.SystemOptions{Kubelet: manifest.Kubelet{Args: []string{arg}}}).Patch(); err != nil {
			t.Errorf("%q parses, but: %v", arg, err)
		}
	})
}
