package expand_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/expand"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// TestPlan wants the phases of a master and of a worker (section 3.2 of the
// original's behaviour).
func TestPlan(t *testing.T) {
	m, _, err := manifest.Parse("app.yaml", strings.NewReader(shopManifest))
	if err != nil {
		t.Fatal(err)
	}
	settings := func(master bool, masters int) *expand.Settings {
		s := &expand.Settings{Node: node.Node{Cluster: "test", Name: "node-9", Address: netip.MustParseAddr("10.0.0.9"), Role: "node", Master: master, Runtime: "1.37.2"}}
		for i := range masters {
			s.View.Masters = append(s.View.Masters, netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}))
		}
		return s
	}
	const common = "/checks\n/configure /checks\n/bootstrap /checks\n/pull /configure,/bootstrap\n/preHook /pull\n/system /pull\n/system/master\n"
	const end = "/wait /kubeadm\n/wait/k8s\n/postHook /wait\n/elect /wait\n"
	for _, test := range []struct {
		name     string
		settings *expand.Settings
		want     string
	}{
		{"second master", settings(true, 1), common + "/etcdBackup /system\n/kubeadm /system,/etcdBackup\n" + end},
		{"third master", settings(true, 2), common + "/kubeadm /system\n" + end},
		{"worker", settings(false, 1), common + "/kubeadm /system\n" + end},
	} {
		plan, err := expand.NewPlan(operation.NewID(), "1.0.0", test.settings, m, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		list(&text, plan.Phases)
		if diff := cmp.Diff(test.want, text.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if role := plan.Servers[0].ClusterRole; (role == "master") != test.settings.Node.Master {
			t.Errorf("%s: cluster role %s", test.name, role)
		}
	}
	m.Hooks = nil
	plan, err := expand.NewPlan(operation.NewID(), "1.0.0", settings(false, 1), m, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	list(&text, plan.Phases)
	if strings.Contains(text.String(), "Hook") {
		t.Errorf("hooks that there are not: %s", text.String())
	}
}

func list(text *bytes.Buffer, phases []operation.Phase) {
	for _, phase := range phases {
		fmt.Fprintln(text, strings.TrimSpace(phase.ID+" "+strings.Join(phase.Requires, ",")))
		list(text, phase.Phases)
	}
}
