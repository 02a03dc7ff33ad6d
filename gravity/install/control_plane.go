package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// controlPlane makes the control plane by kubeadm.
type controlPlane struct{ *environment }

func (c *controlPlane) Done(context.Context) (bool, error) { return kubeadm.Initialized(c.paths), nil }

func (c *controlPlane) Execute(ctx context.Context) error {
	// After a loss of power it may just be starting.
	if err := c.container.Start(ctx); err != nil {
		return err
	}
	config, err := c.kubeadm()
	if err != nil {
		return err
	}
	log, err := kubeadm.OpenLog(c.paths)
	if err != nil {
		return err
	}
	return errors.Join(kubeadm.Init(ctx, c.paths, c.container, config, log), log.Close())
}

func (c *controlPlane) kubeadm() (*kubeadm.Config, error) {
	m, err := c.manifest()
	if err != nil {
		return nil, err
	}
	given, err := c.configuration()
	if err != nil {
		return nil, err
	}
	environment, err := node.ReadEnvironment(c.paths)
	if err != nil {
		return nil, err
	}
	config := Kubeadm(&c.settings.Node, m, c.settings.PodNetwork, c.settings.ServiceNetwork)
	config.NodePorts, config.FeatureGates, config.Kubelet, config.Environment = given.NodePorts, given.FeatureGates, given.Kubelet, environment
	return config, nil
}

// Kubeadm is what kubeadm has to know of a node.
func Kubeadm(n *node.Node, m *manifest.Manifest, pods, services netip.Prefix) *kubeadm.Config {
	profile, _ := m.Profile(n.Role)
	return &kubeadm.Config{
		Cluster: n.Cluster, Node: n.Name, Address: n.Address, Version: n.Runtime, PodNetwork: pods, ServiceNetwork: services,
		CertificateLifetime: n.CertificateLifetime,
		Taints:              profile.Taints, Options: m.OptionsOf(n.Role), HostConntrack: !writable("/proc/sys/net/netfilter/nf_conntrack_max"),
	}
}

// writable tells whether a setting of the kernel can be set. One that is not
// there yet can.
func writable(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Perm()&0o200 != 0
}

// Rollback ends the container, so that nothing of the control plane runs,
// removes the control plane's files and starts the container again.
func (c *controlPlane) Rollback(ctx context.Context) error {
	return RemoveKubernetes(ctx, c.paths, c.container)
}

// RemoveKubernetes undoes what kubeadm did on a node, and leaves the container
// running with nothing in it.
func RemoveKubernetes(ctx context.Context, p paths.Paths, in *container.Container) error {
	if _, err := os.Stat(p.Node()); err != nil {
		return nil //nolint:nilerr // nothing was begun
	}
	if err := in.Stop(ctx); err != nil {
		return err
	}
	if err := unmountBelow(p.Kubelet(), p.Containerd()); err != nil {
		return err
	}
	RemoveNetwork(p)
	removeKubeconfig(p)
	for _, folder := range []string{p.Kubernetes(), p.Etcd(), p.Kubelet(), p.Containerd()} {
		if err := empty(folder); err != nil {
			return err
		}
	}
	return in.Start(ctx)
}

// empty removes what is in a folder that others have bound.
func empty(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, entry.Name())))
	}
	return err
}

// wait waits for the API server and gives people access to it.
type wait struct{ inCluster }

const apiTimeout = 5 * time.Minute

func (w *wait) Execute(ctx context.Context) error {
	client, err := w.client()
	if err != nil {
		return err
	}
	if err := kube.Wait(ctx, apiTimeout, "the API server", client.Ready); err != nil {
		return err
	}
	name := w.settings.Node.Name
	err = kube.Wait(ctx, apiTimeout, "node "+name, func(ctx context.Context) error {
		_, err := client.Resource(kube.Nodes, "").Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	if err := w.label(ctx, client); err != nil {
		return err
	}
	if err := kubeadm.Registered(w.paths); err != nil {
		return err
	}
	if err := w.removeTokens(ctx, client); err != nil {
		return err
	}
	return InstallAccess(w.paths, w.settings.Node.Address.String())
}

// Rollback takes people's access away.
func (w *wait) Rollback(context.Context) error { return RemoveAccess(w.paths) }

// RemoveAccess undoes InstallAccess.
func RemoveAccess(p paths.Paths) error {
	removeKubeconfig(p)
	return errors.Join(removeLink(p, "kubectl"), removeLink(p, "helm"))
}

// label gives the node the labels of its profile, also those that a kubelet may
// not give itself.
func (w *wait) label(ctx context.Context, client *kube.Client) error {
	m, err := w.manifest()
	if err != nil {
		return err
	}
	return client.Label(ctx, w.settings.Node.Name, Labels(&w.settings.Node, m))
}

// Labels are those of a node: of its profile, and what tells its role.
func Labels(n *node.Node, m *manifest.Manifest) map[string]any {
	profile, _ := m.Profile(n.Role)
	labels := map[string]any{kube.LabelAddress: n.Address.String(), manifest.LabelServiceRole: string(manifest.RoleNode)}
	if n.Master {
		labels[manifest.LabelServiceRole] = string(manifest.RoleMaster)
		labels[manifest.LabelControlPlane] = ""
		labels[manifest.LabelMaster] = ""
		// kubeadm sets it, and then no balancer of a cloud finds a node where all
		// nodes are masters.
		labels["node.kubernetes.io/exclude-from-external-load-balancers"] = nil
	}
	for key, value := range profile.Labels {
		labels[key] = value
	}
	return labels
}

// removeTokens removes kubeadm's bootstrap tokens: nobody was given them.
func (w *wait) removeTokens(ctx context.Context, client *kube.Client) error {
	secrets := client.Resource(kube.Secrets, "kube-system")
	list, err := secrets.List(ctx, metav1.ListOptions{FieldSelector: "type=bootstrap.kubernetes.io/token"})
	if err != nil {
		return fmt.Errorf("bootstrap tokens: %w", err)
	}
	for _, secret := range list.Items {
		if err := secrets.Delete(ctx, secret.GetName(), metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("bootstrap token %s: %w", secret.GetName(), err)
		}
	}
	return nil
}

// InstallAccess lets root use kubectl and helm on the host, a master.
func InstallAccess(p paths.Paths, address string) error {
	for _, name := range []string{"kubectl", "helm"} {
		path := filepath.Join(paths.Commands, name)
		target, err := os.Readlink(path)
		if _, statErr := os.Lstat(path); statErr == nil && (err != nil || !within(p.Root, target)) {
			continue // the host has its own
		}
		if err := paths.Link(p.Tool(name), path); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(paths.UserKubeconfig); err == nil {
		return nil
	}
	content, err := userKubeconfig(p, address)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(paths.UserKubeconfig), 0o700); err != nil {
		return err
	}
	return paths.WriteFile(paths.UserKubeconfig, content, 0o600)
}

// userKubeconfig is that of the administrator with the address of a master
// instead of the balancer's, so that it can be copied elsewhere.
func userKubeconfig(p paths.Paths, address string) ([]byte, error) {
	content, err := os.ReadFile(p.KubernetesFile("admin.conf"))
	if err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(content, []byte(kubeadm.Endpoint.String()), fmt.Appendf(nil, "%s:%d", address, kubeadm.APIServerPort)), nil
}

// removeKubeconfig removes root's kubeconfig if it is of this cluster, and tells
// whether it was.
func removeKubeconfig(p paths.Paths) bool {
	content, err := os.ReadFile(paths.UserKubeconfig)
	if err != nil {
		return false
	}
	admin, err := os.ReadFile(p.KubernetesFile("admin.conf"))
	if err != nil {
		return false
	}
	// The authority's certificate is the same in both, and of this cluster only.
	for line := range strings.Lines(string(admin)) {
		if _, data, ok := strings.Cut(line, "certificate-authority-data:"); ok && bytes.Contains(content, []byte(strings.TrimSpace(data))) {
			_ = os.Remove(paths.UserKubeconfig)
			folder := filepath.Dir(paths.UserKubeconfig)
			_ = os.RemoveAll(filepath.Join(folder, "cache")) // kubectl's, of this cluster
			_ = os.Remove(folder)                            // unless there is more
			return true
		}
	}
	return false
}

// RefreshAccess gives root the administrator's certificate again, which has been
// renewed, if root's configuration is of this cluster.
func RefreshAccess(p paths.Paths, address string) error {
	old, err := os.ReadFile(paths.UserKubeconfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	content, err := userKubeconfig(p, address)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(content)) {
		if _, data, ok := strings.Cut(line, "certificate-authority-data:"); ok && bytes.Contains(old, []byte(strings.TrimSpace(data))) {
			return paths.WriteFile(paths.UserKubeconfig, content, 0o600)
		}
	}
	return nil
}
