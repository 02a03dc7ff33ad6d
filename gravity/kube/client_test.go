package kube_test

import (
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

func TestParse(t *testing.T) {
	objects, err := kube.Parse([]byte("# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n" +
		"---\n\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: b}\nspec: {backoffLimit: 3}\n"))
	if err != nil || len(objects) != 2 || objects[0].GetName() != "a" || objects[1].GetName() != "b" {
		t.Fatalf("%v, %v", objects, err)
	}
	spec, _ := objects[1].Object["spec"].(map[string]any)
	if limit, ok := spec["backoffLimit"].(int64); !ok || limit != 3 {
		t.Errorf("a whole number is a %T", spec["backoffLimit"])
	}
	for _, text := range []string{"kind: Pod", "apiVersion: v1", "- 1", "a: [", "text"} {
		if _, err := kube.Parse([]byte(text)); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("apiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: List\nitems: [{}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		objects, err := kube.Parse([]byte(text))
		if err != nil {
			return
		}
		for _, object := range objects {
			if strings.TrimSpace(object.GetKind()) == "" && object.GetKind() == "" && object.IsList() {
				t.Errorf("a list is left in %q", text)
			}
		}
	})
}
