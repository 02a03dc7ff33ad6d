package resource_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/resource"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const environment = `kind: RuntimeEnvironment
version: v1
spec:
  data:
    HTTP_PROXY: "example.com:8001"
    https_proxy: http://example.com
    EMPTY: ""
    LINES: "a\nb"
`

func TestEnvironment(t *testing.T) {
	file, err := resource.Parse("f", []byte(environment))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"HTTP_PROXY": "example.com:8001", "https_proxy": "http://example.com", "EMPTY": "", "LINES": "a\nb"}
	if diff := cmp.Diff(want, file.Environment); diff != "" {
		t.Error(diff)
	}
	warnings := []string{"f: line 5: spec.data.HTTP_PROXY has no scheme; programs take it for http://"}
	if diff := cmp.Diff(warnings, file.Warnings); diff != "" {
		t.Error(diff)
	}
}

const configuration = `# The guide's, with networks that can be.
kind: ClusterConfiguration
version: v1
spec:
  global:
    cloudProvider: gce
    cloudConfig: |
      multizone=true
    serviceCIDR:  "10.0.0.0/24"
    serviceNodePortRange: "30000-32767"
    poxyPortRange: "0-0"
    podCIDR: "10.1.0.0/16"
    featureGates:
      AllAlpha: true
      APIResponseCompression: false
  kubelet:
    config:
      kind: KubeletConfiguration
      apiVersion: kubelet.config.k8s.io/v1beta1
      nodeLeaseDurationSeconds: 50
      evictionHard:
        memory.available: 64Mi
      authentication: {anonymous: {enabled: true}}
      port: 1
`

func TestConfiguration(t *testing.T) {
	file, err := resource.Parse("f", []byte(configuration))
	if err != nil {
		t.Fatal(err)
	}
	want := resource.Configuration{
		PodNetwork: netip.MustParsePrefix("10.1.0.0/16"), ServiceNetwork: netip.MustParsePrefix("10.0.0.0/24"), NodePorts: "30000-32767",
		FeatureGates: map[string]bool{"AllAlpha": true, "APIResponseCompression": false}, CloudProvider: "gce",
		Kubelet:      map[string]any{"nodeLeaseDurationSeconds": 50, "evictionHard": map[string]any{"memory.available": "64Mi"}},
		KubeletLines: map[string]int{"nodeLeaseDurationSeconds": 20, "evictionHard": 21, "evictionHard.memory.available": 22},
	}
	if diff := cmp.Diff(want, file.Configuration, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	warnings := []string{
		"f: line 11: spec.global.poxyPortRange is called proxyPortRange",
		"f: line 6: spec.global.cloudProvider is recorded and has no other effect: Kubernetes has no cloud providers of its own",
		"f: line 7: spec.global.cloudConfig is recorded and has no other effect",
		"f: line 11: spec.global.proxyPortRange has no effect: kube-proxy takes no ports of its own",
		"f: line 23: spec.kubelet.config.authentication has no effect: it is the cluster's to set",
		"f: line 24: spec.kubelet.config.port has no effect: it is the cluster's to set",
	}
	if diff := cmp.Diff(warnings, file.Warnings); diff != "" {
		t.Error(diff)
	}
}

// TestSettingsRefused wants each problem with its line, all at once, without
// values that may be secrets.
func TestSettingsRefused(t *testing.T) {
	const env, config = "kind: env\nversion: v1\n", "kind: config\nversion: v1\n"
	for _, test := range []struct{ text, want, hint string }{
		{env + "spec:\n  date: {A: b}\n", `f: line 4: spec: unknown field "date"`, "did you mean data?"},
		{env + "spec:\n  data:\n    A-B: secret\n", `f: line 5: spec.data: "A-B" is no name of an environment variable`, ""},
		{env + "spec:\n  data:\n    A: 1\n", "f: line 5: spec.data.A is no text", "write it between quotes"},
		{env + "spec:\n  data:\n    A:\n", "f: line 5: spec.data.A is no text", "write it between quotes"},
		{env + "spec:\n  data: [secret]\n", "f: line 4: spec.data is no mapping", ""},
		{env + "spec: {data: {A: \"secret\\e\"}}\n", "f: line 3: spec.data.A has control characters", ""},
		{env + "spec:\n  data: {A: 1}\n  dota: {}\n", "f: line 5: spec: unknown field \"dota\"\nf: line 4: spec.data.A is no text", "did you mean data?"},
		{config + "spec:\n  global:\n    podCidr: x\n", `f: line 5: spec.global: unknown field "podCidr"`, "did you mean podCIDR?"},
		{config + "spec:\n  global: {podCIDR: 10.0.0.0}\n", `f: line 4: spec.global.podCIDR: "10.0.0.0" is no network`, "write it as 10.244.0.0/16"},
		{config + "spec:\n  global: {podCIDR: 10.0.0.1/8}\n", "f: line 4: spec.global.podCIDR: 10.0.0.1/8 is not the address of a network, 10.0.0.0/8 is", ""},
		{config + "spec:\n  global: {serviceNodePortRange: 5-1}\n", `f: line 4: spec.global.serviceNodePortRange: "5-1" is no range of ports`, "write BEGIN-END, such as 30000-32767"},
		{config + "spec:\n  global: {featureGates: {A: \"true\"}}\n", "f: line 4: spec.global.featureGates.A is neither true nor false", ""},
		{config + "spec:\n  global: {featureGates: {\"A=true,B\": true}}\n", `f: line 4: spec.global.featureGates: "A=true,B" is no name of a feature gate`, ""},
		{config + "spec:\n  kubelet: {args: []}\n", `f: line 4: spec.kubelet: unknown field "args"`, "known are config"},
		{config + "spec:\n  kubelet:\n    config: {kind: Secret}\n", "f: line 5: spec.kubelet.config.kind is not KubeletConfiguration", ""},
		{config + "spec:\n  kubelets: {}\n", `f: line 4: spec: unknown field "kubelets"`, "did you mean kubelet?"},
	} {
		_, err := resource.Parse("f", []byte(test.text))
		if err == nil || err.Error() != test.want || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %s", test.text, err, test.want)
		}
		hints := strings.Join(cli.Hints(err), "\n")
		if test.hint != "" && !strings.Contains(hints, test.hint) || test.hint == "" && hints != "" {
			t.Errorf("%q: hints %q, want %q", test.text, hints, test.hint)
		}
	}
}
