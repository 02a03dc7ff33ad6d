package bootstrap

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/resource"
)

// Configuration is what the site changes in every node, and kubeadm does not take
// from node to node by itself: what it keeps for the cluster, such as feature
// gates and the range of node ports, is not in it.
type Configuration struct {
	// Kubelet has fields of KubeletConfiguration.
	Kubelet map[string]any `json:"kubelet,omitempty"`
}

// documents are those of a kind that the cluster keeps.
func (w *work) documents(ctx context.Context, kind string) (*resource.File, error) {
	list, err := w.client.Resource(kube.Secrets, cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: resource.LabelKind + "=" + kind})
	if err != nil {
		return nil, fmt.Errorf("read documents of kind %s: %w", kind, err)
	}
	i := slices.IndexFunc(list.Items, func(secret unstructured.Unstructured) bool { return secret.GetLabels()[resource.LabelKind] == kind })
	if i < 0 {
		return new(resource.File), nil
	}
	encoded, _, err := unstructured.NestedString(list.Items[i].Object, "data", resource.Key)
	if err != nil {
		return nil, fmt.Errorf("read documents of kind %s: %w", kind, err)
	}
	content, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("read documents of kind %s: %w", kind, err)
	}
	return resource.Parse(kind, content)
}

// configuration is what the node's kubelet has to have.
func (w *work) configuration(ctx context.Context) (any, error) {
	file, err := w.documents(ctx, "clusterconfiguration")
	if err != nil {
		return nil, err
	}
	return &Configuration{Kubelet: file.Configuration.Kubelet}, nil
}

// environment is that of the node's services: no proxy is asked for the node
// itself, nor for masters.
func (w *work) environment(ctx context.Context) (any, error) {
	file, err := w.documents(ctx, "runtimeenvironment")
	if err != nil {
		return nil, err
	}
	masters, err := Masters(ctx, w.client)
	if err != nil {
		return nil, err
	}
	masters = slices.DeleteFunc(masters, func(master netip.Addr) bool { return master == w.join.Address })
	environment, _ := node.Environment(file.Environment).Exempt(
		install.Unproxied(append([]netip.Addr{w.join.Address}, masters...), w.facts.PodNetwork, w.facts.ServiceNetwork))
	return environment, nil
}
