package install

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/leader"
)

// coredns configures the cluster's DNS.
type coredns struct{ inCluster }

func (c *coredns) Execute(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := everywhere(ctx, client); err != nil {
		return err
	}
	// The agent of the master that leads changes the addresses later.
	if err := leader.Service(ctx, client, []netip.Addr{c.settings.Node.Address}); err != nil {
		return err
	}
	resolvers, _ := container.HostResolvers()
	return client.ApplyObject(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "coredns", "namespace": "kube-system"},
		"data":     map[string]any{"Corefile": corefile(resolvers, c.settings.DNSZones)},
	}})
}

// corefile is the configuration of the cluster's DNS: names of other domains go
// to the host's resolvers (S116), those of zones to resolvers of their own. The
// leader's names are those of a service (S18), so that this text, which people
// change, stays when masters come and go.
func corefile(resolvers []netip.Addr, zones map[string][]netip.AddrPort) string {
	var text strings.Builder
	text.WriteString(`.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
`)
	for _, name := range leader.Names {
		fmt.Fprintf(&text, "    rewrite name exact %s %s\n", name, leader.Host)
	}
	text.WriteString(`    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
`)
	if len(resolvers) > 0 {
		text.WriteString("    forward .")
		for _, resolver := range resolvers {
			fmt.Fprintf(&text, " %s", resolver)
		}
		text.WriteString(" {\n       max_concurrent 1000\n    }\n")
	}
	own := "cluster.local " + strings.Join(leader.Names, " ")
	fmt.Fprintf(&text, "    cache 30 {\n       disable success %[1]s\n       disable denial %[1]s\n    }\n    loop\n    reload\n    loadbalance\n}\n", own)
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		fmt.Fprintf(&text, "%s:53 {\n    errors\n    cache 30\n    forward .", zone)
		for _, resolver := range zones[zone] {
			fmt.Fprintf(&text, " %s", resolver)
		}
		text.WriteString("\n}\n")
	}
	return text.String()
}
