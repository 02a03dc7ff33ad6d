package install

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
)

//go:embed manifests/rbac.yaml
var rbacDocuments []byte

//go:embed manifests/admin.yaml
var adminDocuments []byte

// rbac makes roles, groups and pod security policies.
type rbac struct{ inCluster }

func (r *rbac) Execute(ctx context.Context) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	if r.settings.AdminServiceAccounts {
		if err := client.Apply(ctx, adminDocuments); err != nil {
			return err
		}
	}
	return client.Apply(ctx, rbacDocuments)
}

// coredns configures the cluster's DNS.
type coredns struct{ inCluster }

func (c *coredns) Execute(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	resolvers, _ := container.HostResolvers()
	return client.ApplyObject(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "coredns", "namespace": "kube-system"},
		"data":     map[string]any{"Corefile": corefile(c.settings.Node.Address, resolvers, c.settings.DNSZones)},
	}})
}

// corefile is the configuration of the cluster's DNS: names of other domains go
// to the host's resolvers (S116), those of zones to resolvers of their own.
func corefile(leader netip.Addr, resolvers []netip.Addr, zones map[string][]netip.AddrPort) string {
	var text strings.Builder
	fmt.Fprintf(&text, `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    hosts {
       %s leader.telekube.local registry.local
       fallthrough
    }
    prometheus :9153
`, leader)
	if len(resolvers) > 0 {
		text.WriteString("    forward .")
		for _, resolver := range resolvers {
			fmt.Fprintf(&text, " %s", resolver)
		}
		text.WriteString(" {\n       max_concurrent 1000\n    }\n")
	}
	text.WriteString("    cache 30 {\n       disable success cluster.local\n       disable denial cluster.local\n    }\n    loop\n    reload\n    loadbalance\n}\n")
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		fmt.Fprintf(&text, "%s:53 {\n    errors\n    cache 30\n    forward .", zone)
		for _, resolver := range zones[zone] {
			fmt.Fprintf(&text, " %s", resolver)
		}
		text.WriteString("\n}\n")
	}
	return text.String()
}

// resources makes what the user gave.
type resources struct{ inCluster }

func (r *resources) Execute(ctx context.Context) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(r.settings.Resources)
	if err != nil {
		return err
	}
	return client.Apply(ctx, content)
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
	backend := map[string]any{"Type": "vxlan", "Port": o.settings.VXLANPort}
	if m.Providers.Generic.Network.Type == manifest.NetworkWireGuard {
		backend = map[string]any{"Type": "wireguard"}
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

// Healthy fails unless a node is Ready and the system's workloads run on it; the
// error says what is not.
func Healthy(ctx context.Context, client *kube.Client, node string) error {
	if err := client.NodeReady(ctx, node); err != nil {
		return err
	}
	if err := client.WorkloadReady(ctx, kube.DaemonSets, "kube-system", "kube-proxy"); err != nil {
		return err
	}
	if err := client.WorkloadReady(ctx, kube.DaemonSets, "kube-system", "flannel"); err != nil {
		return err
	}
	if err := client.WorkloadReady(ctx, kube.Deployments, "kube-system", "coredns"); err != nil {
		return err
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
	})
}
