package install

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/access"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
)

// rbac makes roles, groups and the policy of pods.
type rbac struct{ inCluster }

func (r *rbac) Execute(ctx context.Context) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	if err := access.Apply(ctx, client, access.Options{AdminServiceAccounts: r.settings.AdminServiceAccounts}); err != nil {
		return err
	}
	n := r.settings.Node
	return member.Put(ctx, client, n.Name, member.Record{Role: n.Role, Address: n.Address, Master: n.Master})
}

// apiAnswer is how long a rollback waits for an API server.
const apiAnswer = 10 * time.Second

// Rollback removes what was made. Without an API server it is left to the
// rollback of the control plane, which must not be kept from it.
func (r *rbac) Rollback(ctx context.Context) error {
	if _, err := os.Stat(r.paths.KubernetesFile("admin.conf")); err != nil {
		return nil //nolint:nilerr // there is no cluster
	}
	client, err := r.client()
	if err != nil {
		return err
	}
	if err := kube.Wait(ctx, apiAnswer, "the API server", client.Ready); err != nil {
		r.log.Warn("roles and policies stay in the cluster", "error", err)
		return nil
	}
	return access.Remove(ctx, client)
}

// overlay makes the network between pods.
type overlay struct{ inCluster }

func (o *overlay) Execute(ctx context.Context) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	m, err := o.manifest()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(o.paths.Rootfs(o.settings.Node.Runtime), "usr/share/gravity/flannel.yaml"))
	if err != nil {
		return err
	}
	objects, err := kube.Parse(content)
	if err != nil {
		return fmt.Errorf("flannel.yaml: %w", err)
	}
	for _, object := range objects {
		switch object.GetKind() {
		case "ConfigMap":
			err = o.configure(object, m)
		case "DaemonSet":
			err = hairpin(object, m.OptionsOf(o.settings.Node.Role).Kubelet.HairpinMode)
		}
		if err != nil {
			return fmt.Errorf("flannel.yaml: %w", err)
		}
		if err := client.ApplyObject(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// configure fills in flannel's configuration.
func (o *overlay) configure(object *unstructured.Unstructured, m *manifest.Manifest) error {
	backend := map[string]any{"Type": manifest.NetworkVXLAN, "Port": o.settings.VXLANPort}
	switch network := m.Providers.Generic.Network.Type; network {
	case manifest.NetworkHostGW, manifest.NetworkWireGuard:
		backend = map[string]any{"Type": network}
	}
	content, err := json.Marshal(map[string]any{
		"Network": o.settings.PodNetwork.String(), "EnableNFTables": true, "Backend": backend,
	})
	if err != nil {
		return err
	}
	return unstructured.SetNestedField(object.Object, string(content), "data", "net-conf.json")
}

// hairpin tells flannel, which configures the bridge, whether pods reach
// themselves through their services (S114).
func hairpin(object *unstructured.Unstructured, mode manifest.HairpinMode) error {
	if mode != manifest.HairpinNone {
		return nil
	}
	containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) == 0 {
		return fmt.Errorf("it has no container: %w", err)
	}
	first, ok := containers[0].(map[string]any)
	if !ok {
		return fmt.Errorf("its container is a %T", containers[0])
	}
	args, _, _ := unstructured.NestedStringSlice(first, "args")
	if err := unstructured.SetNestedStringSlice(first, append(args, "--hairpin=false"), "args"); err != nil {
		return err
	}
	return unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers")
}

// health waits until the node is Ready and the system's pods run.
type health struct{ inCluster }

const healthTimeout = 10 * time.Minute

func (h *health) Execute(ctx context.Context) error {
	client, err := h.client()
	if err != nil {
		return err
	}
	return kube.Wait(ctx, healthTimeout, "the cluster", func(ctx context.Context) error { return Healthy(ctx, client, h.settings.Node.Name) })
}

// NetworkDaemonSets are those of kube-system without which pods of a node reach nothing.
// Its name server is none of them, if there are others.
var NetworkDaemonSets = []string{"kube-proxy", "flannel"}

// Healthy fails unless a node is Ready and the system's workloads run on it; the
// error says what is not.
func Healthy(ctx context.Context, client *kube.Client, node string) error {
	if err := client.NodeReady(ctx, node); err != nil {
		return err
	}
	for _, name := range append(slices.Clone(NetworkDaemonSets), "coredns") {
		if err := client.WorkloadReady(ctx, kube.DaemonSets, "kube-system", name); err != nil {
			return err
		}
	}
	return client.PodsReady(ctx, "kube-system")
}

// election records the cluster in itself, and the token by which nodes join it.
// With one master there is nothing to elect.
type election struct{ inCluster }

func (e *election) Execute(ctx context.Context) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(e.paths.Token())
	if err != nil {
		return err
	}
	joining, err := token.Parse(string(content))
	if err != nil {
		return err
	}
	if err := token.Put(ctx, client, joining, time.Time{}); err != nil {
		return err
	}
	n := e.settings.Node
	return cluster.Write(ctx, client, &cluster.Facts{
		Name: n.Cluster, State: cluster.StateActive, Application: n.Application, Version: n.Version,
		Bundle: e.settings.Digest, Runtime: n.Runtime,
		PodNetwork: e.settings.PodNetwork, ServiceNetwork: e.settings.ServiceNetwork, VXLANPort: e.settings.VXLANPort,
		ServiceUser: e.settings.ServiceUser, ServiceGroup: e.settings.ServiceGroup, CloudProvider: n.CloudProvider,
		CertificateLifetime: n.CertificateLifetime,
		Installation: cluster.Installation{
			Flavor: e.settings.Flavor, Mounts: e.settings.Mounts, DNSZones: e.settings.Zones, SkipChecks: e.settings.SkipChecks,
		},
	})
}
