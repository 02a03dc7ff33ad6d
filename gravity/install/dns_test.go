package install

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// TestWithTaints wants what is tolerated already not to be there twice.
func TestWithTaints(t *testing.T) {
	kept := []any{
		map[string]any{"key": "CriticalAddonsOnly", "operator": "Exists"},
		map[string]any{"key": manifest.LabelControlPlane, "effect": "NoSchedule"},
	}
	taints := kubeadm.Taints([]manifest.Taint{{Key: manifest.LabelMaster, Effect: "NoSchedule"}, {Key: "a", Value: "b", Effect: "NoExecute"}})
	want := append(kept[:2:2],
		map[string]any{"key": manifest.LabelMaster, "operator": "Exists", "effect": "NoSchedule"},
		map[string]any{"key": "a", "operator": "Exists", "effect": "NoExecute"})
	once := withTaints(kept, taints)
	if diff := cmp.Diff(want, once); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, withTaints(once, taints)); diff != "" {
		t.Errorf("again: %s", diff)
	}
	// kubeadm's toleration is of the taint without a value.
	if got := withTaints(kept, []manifest.Taint{{Key: manifest.LabelControlPlane, Value: "true", Effect: "NoSchedule"}}); len(got) != 3 {
		t.Errorf("a taint with a value is not tolerated: %v", got)
	}
}

// TestRBACRollback wants a rollback where there never was a cluster to pass.
func TestRBACRollback(t *testing.T) {
	phase := &rbac{inCluster{&environment{paths: paths.Paths{Root: t.TempDir()}}}}
	if err := phase.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}
