package install

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Endpoint is an address of the application for people.
type Endpoint struct {
	// Name and Description are the manifest's.
	Name, Description string
	// Addresses are URLs, or HOST:PORT where the manifest has no protocol.
	Addresses []string
}

// Endpoints finds the addresses of the endpoints that the application's manifest
// shows: node ports on this node, and what balancers of services have. Those
// without a service, or whose service nobody reaches, have no addresses.
func Endpoints(ctx context.Context, p paths.Paths) ([]Endpoint, error) {
	n, err := node.Read(p)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(filepath.Join(p.Application(n.Application, n.Version), bundle.NameManifest))
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	client, err := kube.Open(p.KubernetesFile("admin.conf"))
	if err != nil {
		return nil, err
	}
	var endpoints []Endpoint
	for _, listed := range m.Endpoints {
		if listed.Hidden {
			continue
		}
		services, err := servicesOf(ctx, client, listed, m.Metadata.Namespace)
		if err != nil {
			return nil, err
		}
		endpoint := Endpoint{Name: listed.Name, Description: listed.Description}
		for _, service := range services {
			endpoint.Addresses = append(endpoint.Addresses, addresses(service, listed, n.Address.String())...)
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints, nil
}

func servicesOf(ctx context.Context, client *kube.Client, endpoint manifest.Endpoint, namespace string) ([]unstructured.Unstructured, error) {
	list, err := client.Resource(kube.Services, cmp.Or(endpoint.Namespace, namespace)).List(ctx, metav1.ListOptions{
		LabelSelector: labels.SelectorFromSet(endpoint.Selector).String(),
	})
	if err != nil {
		return nil, err
	}
	var found []unstructured.Unstructured
	for _, service := range list.Items {
		named := endpoint.ServiceName != "" && endpoint.ServiceName == service.GetName()
		if named || endpoint.ServiceName == "" && len(endpoint.Selector) > 0 {
			found = append(found, service)
		}
	}
	return found, nil
}

// addresses are how a service is reached from outside of the cluster.
func addresses(service unstructured.Unstructured, endpoint manifest.Endpoint, node string) (found []string) {
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	balancers, _, _ := unstructured.NestedSlice(service.Object, "status", "loadBalancer", "ingress")
	for _, entry := range ports {
		port, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		number, _ := port["port"].(int64)
		if endpoint.Port != 0 && int64(endpoint.Port) != number {
			continue
		}
		for _, entry := range balancers {
			balancer, _ := entry.(map[string]any)
			hostname, _ := balancer["hostname"].(string)
			address, _ := balancer["ip"].(string)
			if host := cmp.Or(hostname, address); host != "" {
				found = append(found, urlOf(endpoint.Protocol, host, number))
			}
		}
		if nodePort, _ := port["nodePort"].(int64); nodePort != 0 {
			found = append(found, urlOf(endpoint.Protocol, node, nodePort))
		}
	}
	return found
}

func urlOf(protocol, host string, port int64) string {
	address := net.JoinHostPort(host, fmt.Sprint(port))
	if protocol == "" {
		return address
	}
	return strings.ToLower(protocol) + "://" + address
}
