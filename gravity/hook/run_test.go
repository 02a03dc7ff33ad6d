package hook

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestRemember wants the reason of pods that have been deleted since.
func TestRemember(t *testing.T) {
	pod := func(conditions ...any) unstructured.Unstructured {
		return unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": "p"}, "status": map[string]any{"conditions": conditions},
		}}
	}
	pending := pod(map[string]any{"type": "PodScheduled", "status": "False", "message": "no node takes it"})
	const reason = "pod p: no node takes it"
	r := &run{}
	for _, step := range []struct {
		pods []unstructured.Unstructured
		want string
	}{
		{nil, ""},
		{[]unstructured.Unstructured{pending}, reason},
		{nil, reason},
		{[]unstructured.Unstructured{pod()}, ""},
		{[]unstructured.Unstructured{pod(), pending}, reason},
	} {
		if r.remember(step.pods); r.waited != step.want {
			t.Errorf("%d pods: %q, want %q", len(step.pods), r.waited, step.want)
		}
	}
}
