package kubeadm_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestPatches wants the site's configuration of the kubelet to count more than
// the profile's, and an environment in patches and in nothing else.
func TestPatches(t *testing.T) {
	c := config(manifest.SystemOptions{Kubelet: manifest.Kubelet{Args: []string{"--max-pods=42", "--eviction-hard=nodefs.available<7%"}}})
	c.NodePorts = "31000-31999"
	c.Kubelet = map[string]any{
		"maxPods": 43, "evictionHard": map[string]any{"memory.available": "64Mi"}, "evictionSoft": map[string]any{"memory.available": "1Gi"},
	}
	c.Environment = map[string]string{"HTTP_PROXY": "secret", "A": "$(B) $$"}
	patches, err := c.Patches()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		"patches/etcd0+strategic.yaml", "patches/kube-apiserver0+strategic.yaml", "patches/kube-controller-manager0+strategic.yaml",
		"patches/kube-scheduler0+strategic.yaml", "patches/kubeletconfiguration0+merge.yaml",
	}
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(patches))); diff != "" {
		t.Error(diff)
	}
	golden(t, "patch-site.yaml", patches[names[4]])
	golden(t, "patch-environment.yaml", patches[names[1]])
	content, err := c.Init(false)
	if err != nil || strings.Contains(string(content), "secret") {
		t.Errorf("kubeadm's configuration has the environment, or: %v", err)
	}
	if !strings.Contains(string(content), "- name: service-node-port-range\n    value: 31000-31999\n") {
		t.Errorf("the range of ports is not in %s", content)
	}
}

// program writes a program of a runtime.
func program(t *testing.T, folder, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestChecks wants what programs say to be told with hints and lines. The real
// programs are asked in the lab.
func TestChecks(t *testing.T) {
	programs := kubeadm.Programs{Folder: t.TempDir(), Version: "1.37.2"}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		program(t, programs.Folder, name, `case "$1" in
--help) printf '  GoodGate=true|false (ALPHA - default=false)\nkube:OtherGate=true|false\n' ;;
*Bad*) echo 'E1 run.go:72] "command failed" err="cannot set feature gate Bad to false, feature is locked to true"'; exit 1 ;;
*Good=*) echo 'E1 run.go:72] "command failed" err="unrecognized feature gate: Good"'; exit 1 ;;
*Unlike=*) echo 'E1 run.go:72] "command failed" err="unrecognized feature gate: Unlike"'; exit 1 ;;
esac`)
	}
	program(t, programs.Folder, "kubeadm", `grep -q '^maxPodz: ' && { echo 'error: strict decoding error: unknown field "maxPodz"' >&2; exit 1; }; exit 0`)
	for _, test := range []struct {
		gates      map[string]bool
		want, hint string
	}{
		{map[string]bool{"GoodGate": true}, "", ""},
		{nil, "", ""},
		{map[string]bool{"Bad": false}, "featureGates: kube-apiserver of Kubernetes 1.37.2 refuses them: cannot set feature gate Bad to false, feature is locked to true", ""},
		{map[string]bool{"GoodGat": true, "Good": true}, "featureGates: kube-apiserver of Kubernetes 1.37.2 refuses them: unrecognized feature gate: Good", "remove Good"},
		{map[string]bool{"Unlike": true}, "featureGates: kube-apiserver of Kubernetes 1.37.2 refuses them: unrecognized feature gate: Unlike", "remove Unlike"},
	} {
		err := programs.CheckGates(t.Context(), test.gates)
		if text := errorText(err); text != test.want {
			t.Errorf("%v: %q, want %q", test.gates, text, test.want)
		}
		if hints := strings.Join(cli.Hints(err), ""); !strings.HasPrefix(hints, test.hint) {
			t.Errorf("%v: %q, want %q", test.gates, hints, test.hint)
		}
	}
	for _, test := range []struct {
		fields map[string]any
		want   string
	}{
		{nil, ""},
		{map[string]any{"maxPods": 3}, ""},
		{map[string]any{"maxPodz": 3}, `--config: line 7: kubelet.config of Kubernetes 1.37.2: unknown field "maxPodz"`},
		{map[string]any{"featureGates": map[string]any{"Bad": false}}, "kubelet.config: featureGates: kube-apiserver of Kubernetes 1.37.2 refuses them: cannot set feature gate Bad to false, feature is locked to true"},
	} {
		if text := errorText(programs.CheckKubelet(t.Context(), test.fields, map[string]int{"maxPodz": 7})); text != test.want {
			t.Errorf("%v: %q, want %q", test.fields, text, test.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
