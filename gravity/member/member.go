// Package member lists the nodes of a cluster, as Kubernetes knows them.
package member

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// Roles in the cluster, as plans have them.
const (
	Master = "master"
	Worker = "node"
)

// Member is a node of the cluster.
type Member struct {
	operation.Server
	// Ready tells whether its kubelet says that it is.
	Ready bool
}

// Address is the address that others reach the node at.
func (m Member) Address() (netip.Addr, error) { return netip.ParseAddr(m.AdvertiseIP) }

// Called tells whether a person calls the node so: by its host name, its name in
// Kubernetes or its address.
func (m Member) Called(name string) bool {
	return name != "" && (name == m.Hostname || name == m.Nodename || name == m.AdvertiseIP)
}

// IsMaster tells masters from other nodes.
func (m Member) IsMaster() bool { return m.ClusterRole == Master }

// List lists all nodes, masters first, by name.
func List(ctx context.Context, client *kube.Client) ([]Member, error) {
	list, err := client.Resource(kube.Nodes, "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	members := make([]Member, 0, len(list.Items))
	for i := range list.Items {
		members = append(members, parse(&list.Items[i]))
	}
	slices.SortFunc(members, func(a, b Member) int {
		if a.IsMaster() != b.IsMaster() {
			if a.IsMaster() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Nodename, b.Nodename)
	})
	return members, nil
}

func parse(node *unstructured.Unstructured) Member {
	labels := node.GetLabels()
	m := Member{Server: operation.Server{
		AdvertiseIP: labels[kube.LabelAddress], Hostname: labels["kubernetes.io/hostname"], Nodename: node.GetName(),
		Role: labels["role"], ClusterRole: Worker,
	}}
	// A master that leaves keeps its service role to the end.
	if _, master := labels[manifest.LabelControlPlane]; master || labels[manifest.LabelServiceRole] == string(manifest.RoleMaster) {
		m.ClusterRole = Master
	}
	addresses, _, _ := unstructured.NestedSlice(node.Object, "status", "addresses")
	for _, entry := range addresses {
		fields, _ := entry.(map[string]any)
		if address, ok := fields["address"].(string); ok && fields["type"] == "InternalIP" && m.AdvertiseIP == "" {
			m.AdvertiseIP = address
		}
	}
	if m.Hostname == "" {
		m.Hostname = m.Nodename
	}
	conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions")
	for _, entry := range conditions {
		fields, _ := entry.(map[string]any)
		if fields["type"] == "Ready" {
			m.Ready = fields["status"] == "True"
		}
	}
	return m
}
