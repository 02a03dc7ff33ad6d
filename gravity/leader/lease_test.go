package leader

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestCheckRenewed wants a lease that nobody renews to be told, whatever clocks say,
// and one that is renewed by a clock that is wrong to be good.
func TestCheckRenewed(t *testing.T) {
	for _, test := range []struct {
		name string
		// age is how old the lease is; renewals are made in the time in which it is
		// watched.
		age      time.Duration
		renewals bool
		want     string
	}{
		{"just renewed", 0, false, ""},
		{"a clock is a little behind", -30 * time.Second, false, ""},
		{"a clock is an hour ahead", -time.Hour, true, ""},
		{"a clock is an hour behind", time.Hour, true, ""},
		{"not renewed any more", 2 * time.Minute, false, `by node "node-2"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			const path = "/apis/coordination.k8s.io/v1/namespaces/gravity-system/leases/leader"
			a := &api{objects: map[string]map[string]any{}}
			renew := func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.version++
				a.objects[path] = map[string]any{
					"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": map[string]any{"name": Name, "resourceVersion": fmt.Sprint(a.version)},
					"spec": map[string]any{"holderIdentity": "node-2", "renewTime": time.Now().Add(-test.age).UTC().Format(metav1.RFC3339Micro)},
				}
			}
			server := httptest.NewServer(a)
			defer server.Close()
			client := a.client(t, server, "node-1")
			patient := patience{age: time.Minute, watch: 300 * time.Millisecond, poll: 20 * time.Millisecond}
			if err := patient.check(t.Context(), client); err != nil {
				t.Errorf("before there is a lease: %v", err)
			}
			renew()
			if test.renewals {
				timer := time.AfterFunc(50*time.Millisecond, renew)
				defer timer.Stop()
			}
			err := patient.check(t.Context(), client)
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := patient.check(ctx, client); err == nil {
				t.Error("who does not wait is answered")
			}
		})
	}
}
