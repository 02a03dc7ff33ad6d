package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// cluster checks what the cluster knows of this node. If it does not answer, the
// state is unknown: why it does not is told by other probes.
type cluster struct {
	paths paths.Paths
	node  *node.Node
}

// client is the administrator's on a master, and the kubelet's elsewhere: that
// may read its own node and the pods there.
func (c cluster) client() (client *kube.Client, err error) {
	if c.node.Master {
		client, err = kube.Open(c.paths.KubernetesFile("admin.conf"))
	} else {
		client, err = kube.OpenKubelet(c.paths.KubernetesFile("kubelet.conf"), c.paths.Kubelet())
	}
	if err != nil {
		return nil, unknown{err}
	}
	return client, nil
}

func (c cluster) nodeStatus(ctx context.Context) (string, error) {
	client, err := c.client()
	if err != nil {
		return "", err
	}
	object, err := client.Resource(kube.Nodes, "").Get(ctx, c.node.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", fmt.Errorf("no Node %s is in Kubernetes any more: it was deleted by hand; put it back with 'gravity system register' here", c.node.Name)
	}
	if err != nil {
		return "", unknown{err}
	}
	return "", kube.Ready(object)
}

// systemPods wants the pods of kube-system on this node to be ready. Those of
// jobs come and go, and one that has just begun to start is no problem yet.
func (c cluster) systemPods(ctx context.Context) (string, error) {
	client, err := c.client()
	if err != nil {
		return "", err
	}
	list, err := client.Resource(kube.Pods, "kube-system").List(ctx, metav1.ListOptions{
		FieldSelector: "spec.nodeName=" + c.node.Name, LabelSelector: "!batch.kubernetes.io/job-name",
	})
	if err != nil {
		return "", unknown{err}
	}
	return judgePods(list.Items, time.Now())
}

// startTime is how long a pod may take to be ready.
const startTime = time.Minute

func judgePods(pods []unstructured.Unstructured, now time.Time) (string, error) {
	var problems []string
	for i := range pods {
		pod := &pods[i]
		if pod.GetDeletionTimestamp() != nil {
			continue
		}
		phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
		if phase == "Succeeded" {
			continue
		}
		err := kube.Ready(pod)
		if err == nil {
			continue
		}
		since, _ := kube.Since(pod, "Ready")
		if since.IsZero() {
			since = pod.GetCreationTimestamp().Time
		}
		waits := kube.PodWaits(pod)
		if waits == "" && now.Sub(since) < startTime {
			continue
		}
		if waits == "" {
			waits = err.Error()
		}
		problems = append(problems, fmt.Sprintf("%s (%s)", pod.GetName(), waits))
	}
	detail := fmt.Sprintf("%d pods", len(pods))
	if len(problems) > 0 {
		slices.Sort(problems)
		return detail, fmt.Errorf("pods of kube-system are not ready: %s", strings.Join(problems, ", "))
	}
	return detail, nil
}

// dns asks the cluster's DNS for a name that every cluster has. It asks nobody
// else where the DNS is: the kubelet tells pods the same.
type dns struct {
	kubeletConfig string
	// port is 53 if empty.
	port string
}

const dnsName = "kubernetes.default.svc.cluster.local."

func (d dns) check(ctx context.Context) (string, error) {
	server, err := d.server()
	if err != nil {
		return "", unknown{err}
	}
	port := d.port
	if port == "" {
		port = "53"
	}
	address := net.JoinHostPort(server.String(), port)
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, address)
	}}
	// The name has a dot at its end, so that no search domain is tried.
	found, err := resolver.LookupNetIP(ctx, "ip4", dnsName)
	if err != nil {
		return "", fmt.Errorf("ask %s for %s: %w", address, dnsName, err)
	}
	return fmt.Sprintf("%s is %s", dnsName, found[0]), nil
}

func (d dns) server() (netip.Addr, error) {
	content, err := os.ReadFile(d.kubeletConfig)
	if err != nil {
		return netip.Addr{}, err
	}
	var config struct {
		ClusterDNS []netip.Addr `json:"clusterDNS"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return netip.Addr{}, fmt.Errorf("%s: %w", d.kubeletConfig, err)
	}
	if len(config.ClusterDNS) == 0 {
		return netip.Addr{}, errors.New("the kubelet knows no DNS of the cluster")
	}
	return config.ClusterDNS[0], nil
}
