package hook

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

// TestCopyLog wants a log that cannot be opened at first to be copied once it
// can, and nobody to wait for one that is gone.
func TestCopyLog(t *testing.T) {
	busy := errors.New("the container is being created")
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "p")
	for name, test := range map[string]struct {
		answers []error
		tries   int
		want    string
	}{
		"at once": {nil, 1, "a line"},
		"at last": {[]error{busy, busy}, 3, "a line"},
		"gone":    {[]error{busy, gone}, 2, ""},
		"the end": {slices.Repeat([]error{busy}, 100), 21, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*logInterval+time.Millisecond)
				defer cancel()
				var copied strings.Builder
				tries := 0
				r := &run{output: &lockedWriter{writer: &copied}, logs: func(context.Context, string, string) (io.ReadCloser, error) {
					if tries++; tries <= len(test.answers) {
						return nil, test.answers[tries-1]
					}
					return io.NopCloser(strings.NewReader("a line")), nil
				}}
				r.copyLog(ctx, "p", "c")
				if tries != test.tries || copied.String() != test.want {
					t.Errorf("%d tries, copied %q", tries, copied.String())
				}
			})
		})
	}
}
