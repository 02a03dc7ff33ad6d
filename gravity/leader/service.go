package leader

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// Host is how pods find the service: it has the addresses of all masters that
// serve.
const Host = Name + "." + Namespace + ".svc.cluster.local"

// Names are what the leader is called inside the cluster.
var Names = []string{"leader.telekube.local", "registry.local"}

// Ports of masters, for whoever looks at the service.
const (
	apiPort      = 6443
	registryPort = 5000
)

// Service makes the service of the masters, with the addresses of some.
func Service(ctx context.Context, client *kube.Client, masters []netip.Addr) error {
	labels := map[string]any{"app.kubernetes.io/managed-by": kube.Manager}
	service := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"name": Name, "namespace": Namespace, "labels": labels},
		// Without a selector nobody else changes its addresses.
		"spec": map[string]any{"clusterIP": "None", "ports": []any{
			map[string]any{"name": "api", "port": int64(apiPort)}, map[string]any{"name": "registry", "port": int64(registryPort)},
		}},
	}}
	if err := client.ApplyObject(ctx, service); err != nil {
		return err
	}
	return publish(ctx, client, masters)
}

// publish gives the service its addresses.
func publish(ctx context.Context, client *kube.Client, masters []netip.Addr) error {
	addresses := make([]any, 0, len(masters))
	for _, master := range masters {
		addresses = append(addresses, map[string]any{
			"addresses": []any{master.String()}, "conditions": map[string]any{"ready": true},
		})
	}
	return client.ApplyObject(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata": map[string]any{"name": Name, "namespace": Namespace, "labels": map[string]any{
			"kubernetes.io/service-name": Name, "endpointslice.kubernetes.io/managed-by": kube.Manager,
		}},
		"endpoints": addresses,
		"ports": []any{
			map[string]any{"name": "api", "port": int64(apiPort), "protocol": "TCP"},
			map[string]any{"name": "registry", "port": int64(registryPort), "protocol": "TCP"},
		},
	}})
}

// Follower keeps the addresses of the service at masters that serve.
type Follower struct {
	// Client returns the client of the API servers.
	Client func() (*kube.Client, error)
	// Masters lists all masters; Check tells whether one serves.
	Masters func() ([]netip.Addr, error)
	Check   func(ctx context.Context, address string) error
	// Log receives what cannot be done.
	Log interface{ Warn(msg string, args ...any) }
}

const (
	// checkInterval is the time between checks, checkTimeout how long each may take.
	checkInterval = 2 * time.Second
	checkTimeout  = 3 * time.Second
	// repeatInterval is when addresses are written again that have not changed:
	// somebody may have removed them.
	repeatInterval = time.Minute
)

// Run follows the masters until the context ends.
func (f *Follower) Run(ctx context.Context) {
	var published []netip.Addr
	var at time.Time
	for ctx.Err() == nil {
		serving, err := f.serving(ctx)
		// If none serves, what was true before helps more than nothing.
		if err == nil && len(serving) > 0 && (!slices.Equal(serving, published) || time.Since(at) > repeatInterval) {
			if err = f.publish(ctx, serving); err == nil {
				published, at = serving, time.Now()
			}
		}
		if err != nil && ctx.Err() == nil {
			f.Log.Warn("the leader's names may lead to a master that does not serve", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(checkInterval):
		}
	}
}

func (f *Follower) publish(ctx context.Context, masters []netip.Addr) error {
	client, err := f.Client()
	if err != nil {
		return err
	}
	return Service(ctx, client, masters)
}

// serving lists the masters that serve, sorted.
func (f *Follower) serving(ctx context.Context) ([]netip.Addr, error) {
	masters, err := f.Masters()
	if err != nil {
		return nil, fmt.Errorf("list the masters: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	failed := make([]error, len(masters))
	var asked sync.WaitGroup
	for i, master := range masters {
		asked.Go(func() { failed[i] = f.Check(ctx, netip.AddrPortFrom(master, apiPort).String()) })
	}
	asked.Wait()
	var serving []netip.Addr
	for i, master := range masters {
		if failed[i] == nil {
			serving = append(serving, master)
		}
	}
	slices.SortFunc(serving, netip.Addr.Compare)
	return serving, nil
}
