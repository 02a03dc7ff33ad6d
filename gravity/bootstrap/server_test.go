package bootstrap

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube/kubetest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/resource"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
)

const shopManifest = `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata: {name: shop, resourceVersion: 1.0.0}
installer:
  flavors:
    items:
      - name: one
        nodes: [{profile: node, count: 1}]
nodeProfiles:
  - name: node
  - name: worker
    labels: {node-role.kubernetes.io/node: "true"}
`

// memory is a source of images.
type memory struct{ bundle.Memory }

func (m memory) ReadManifest(_ context.Context, digest v1.Hash) ([]byte, error) {
	content, ok := m.Memory[digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return content, nil
}

// master is a master with an API and a store, that has no Kubernetes.
type master struct {
	api    *kubetest.API
	client *kube.Client
	clock  atomic.Int64 // how far it is ahead, in nanoseconds
	peer   string
	paths  paths.Paths
	token  token.Token
}

func newMaster(t *testing.T) *master {
	t.Helper()
	p, err := paths.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &master{paths: p, token: token.New()}
	own := &node.Node{Name: "node-1", Address: netip.MustParseAddr("127.0.0.1"), Master: true, Runtime: "1.37.2"}
	files := certificate.FilesOf(p)
	if err := os.MkdirAll(p.Certificates(), 0o700); err != nil {
		t.Fatal(err)
	}
	authority, err := certificate.EnsureAuthority(files.Authority, files.AuthorityKey, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Ensure(certificate.ForNode(own), files.Certificate, files.Key, time.Now()); err != nil {
		t.Fatal(err)
	}
	fillStore(t, p)
	for _, name := range kubeadm.PKI {
		if err := paths.WriteFile(p.KubernetesFile("pki", name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := NewServer(p, own, slog.New(slog.DiscardHandler))
	server.now = func() time.Time { return time.Now().Add(time.Duration(m.clock.Load())) }
	api, client := newAPI(t)
	m.api, m.client, server.open = api, client, func() (*kube.Client, error) { return client, nil }
	m.know(t, m.token, time.Time{})
	m.api.Put("nodes/node-1", "Node", map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"node-role.kubernetes.io/control-plane": ""}},
		"status":   map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": "10.0.0.1"}}},
	})
	m.api.Put("namespaces/gravity-system/configmaps/cluster", "ConfigMap", map[string]any{"data": map[string]any{
		"name": "test", "state": "active", "application": "shop", "version": "1.0.0", "runtime": "1.37.2",
		"pod-network": "10.244.0.0/16", "service-network": "10.100.0.0/16", "vxlan-port": "8472", "service_uid": "1000", "service_gid": "1000",
	}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.peer = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	return m
}

// know lets the cluster know a token.
func (m *master) know(t *testing.T, known token.Token, expires time.Time) {
	t.Helper()
	key, err := known.Key()
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]any{"key": base64.StdEncoding.EncodeToString(key)}
	if !expires.IsZero() {
		data["expires"] = base64.StdEncoding.EncodeToString([]byte(expires.UTC().Format(time.RFC3339)))
	}
	m.api.Put("namespaces/gravity-system/secrets/join-token-"+known.ID, "Secret", map[string]any{"data": data})
}

// fillStore puts an application into the store.
func fillStore(t *testing.T, p paths.Paths) {
	t.Helper()
	from := memory{bundle.Memory{}}
	config, layer := from.Add([]byte("{}")), from.Add([]byte(shopManifest))
	layer.MediaType = bundle.ManifestMediaType
	content, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: []v1.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	artifact := from.Add(content)
	artifact.MediaType = types.OCIManifestSchema1
	images := []store.Image{{Name: bundle.ApplicationReference("shop", "1.0.0"), Descriptor: artifact}}
	if err := store.New(p.Store()).Import(t.Context(), from, images, store.Options{}); err != nil {
		t.Fatal(err)
	}
}

// attempt is a machine that joins.
type attempt struct {
	request   Request
	authority []byte
	answer    *Answer
	client    *Client
}

func (m *master) attempt(t *testing.T, given token.Token, n int, role string) (*attempt, error) {
	t.Helper()
	a := &attempt{request: Request{Operation: operation.NewID(), Name: fmt.Sprintf("node-%d", n), Address: address(n), Role: role}}
	var err error
	if a.authority, err = Trust(t.Context(), []string{m.peer}, given); err != nil {
		return nil, err
	}
	wanted, key, err := certificate.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	if a.answer, err = Join(t.Context(), []string{m.peer}, a.authority, given, a.request, wanted); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(a.answer.Certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.authority)
	a.request.Role = a.answer.Role
	a.client = NewClient([]string{m.peer}, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS13})
	t.Cleanup(a.client.Close)
	if _, ok := pair.PrivateKey.(*ecdsa.PrivateKey); !ok {
		t.Errorf("the key is a %T", pair.PrivateKey)
	}
	return a, nil
}

func wants(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// TestJoin lets a master and then a worker join.
func TestJoin(t *testing.T) {
	m := newMaster(t)
	second, err := m.attempt(t, m.token, 2, "")
	if err != nil {
		t.Fatal(err)
	}
	if a := second.answer; !a.Master || a.Role != "node" || a.Cluster.Name != "test" || string(a.Manifest) != shopManifest ||
		!slices.Equal(a.Masters, []netip.Addr{address(1)}) || !slices.Contains(a.Hosts, "gravity.local") || a.Size == 0 {
		t.Errorf("the answer is %+v", a)
	}
	_, err = m.attempt(t, m.token, 3, "worker")
	wants(t, err, "can't launch another expand while master node 10.0.0.2 is joining")
	var secrets Secrets
	if err := second.client.Step(t.Context(), StepSecrets, second.request, true, &secrets); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(certificate.FilesOf(m.paths).AuthorityKey)
	if err != nil || string(secrets.AuthorityKey) != string(key) || string(secrets.PKI["etcd/ca.key"]) != "etcd/ca.key" {
		t.Errorf("the secrets are not those of masters: %v", err)
	}
	m.document("runtimeenvironment", `{"kind":"RuntimeEnvironment","version":"v1","spec":{"data":{"HTTP_PROXY":"http://proxy"}}}`)
	m.document("clusterconfiguration", `{"kind":"ClusterConfiguration","version":"v1","spec":{"kubelet":{"config":{"kind":"KubeletConfiguration","maxPods":31}}}}`)
	var configuration Configuration
	if err := second.client.Step(t.Context(), StepConfiguration, second.request, true, &configuration); err != nil || configuration.Kubelet["maxPods"] != 31.0 {
		t.Errorf("the configuration is %v, %v", configuration, err)
	}
	var environment node.Environment
	if err := second.client.Step(t.Context(), StepEnvironment, second.request, true, &environment); err != nil ||
		environment["HTTP_PROXY"] != "http://proxy" || !strings.Contains(environment["NO_PROXY"], ",10.0.0.2,10.0.0.1,10.244.0.0/16,") {
		t.Errorf("the environment is %v, %v", environment, err)
	}
	var credentials kubeadm.Credentials
	if err := second.client.Step(t.Context(), StepCredentials, second.request, true, &credentials); err != nil || string(credentials.Authority) != "ca.crt" || len(credentials.Token) != 23 {
		t.Errorf("the credentials have a token of %d bytes: %v", len(credentials.Token), err)
	}
	if err := second.client.Step(t.Context(), StepRelease, second.request, true, nil); err != nil {
		t.Fatal(err)
	}
	third, err := m.attempt(t, m.token, 3, "worker")
	if err != nil {
		t.Fatal(err)
	}
	if third.answer.Master {
		t.Error("a worker becomes a master")
	}
	wants(t, third.client.Step(t.Context(), StepSecrets, third.request, false, nil), "only masters may have this")
	wants(t, third.client.Step(t.Context(), StepSecrets, third.request, true, nil), "the certificate is not that of node node-3")
	wants(t, third.client.Step(t.Context(), StepForget, second.request, false, nil), "the certificate is not that of node node-2")
	wants(t, third.client.Step(t.Context(), "other", third.request, false, nil), `there is no step "other"`)
	images, err := third.client.Packages(t.Context())
	if err != nil || len(images) != 2 {
		t.Errorf("the packages are %v, %v", images, err)
	}
	view, err := third.client.View(t.Context())
	if err != nil || !slices.Equal(view.Masters, []netip.Addr{address(1)}) {
		t.Errorf("the view is %v, %v", view, err)
	}
}

// TestStrangers refuses who has no token that is good, and who has no
// certificate.
func TestStrangers(t *testing.T) {
	m, other := newMaster(t), newMaster(t)
	expired := token.New()
	m.know(t, expired, time.Now().Add(-time.Minute))
	_, err := m.attempt(t, expired, 2, "")
	wants(t, err, "the join token has expired")
	_, err = m.attempt(t, token.New(), 2, "")
	wants(t, err, "the cluster does not know this join token")
	wrong, err := token.Parse(m.token.String()[:34] + "2")
	if err == nil && wrong == m.token {
		wrong, err = token.Parse(m.token.String()[:34] + "3")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.attempt(t, wrong, 2, "")
	wants(t, err, "the join token is wrong, or who answers is not a master of its cluster")
	m.clock.Store(int64(time.Hour))
	_, err = m.attempt(t, m.token, 2, "")
	wants(t, err, "the clock of this machine is 1h0m0s behind that of the master")
	m.clock.Store(-int64(time.Hour))
	_, err = m.attempt(t, m.token, 2, "")
	wants(t, err, "the clock of this machine is 1h0m0s ahead of that of the master")
	m.clock.Store(0)
	// Somebody who knows only the ID of the token stands before the master.
	impostor, err := token.Parse(m.token.ID + "." + token.New().String()[9:])
	if err != nil {
		t.Fatal(err)
	}
	other.know(t, impostor, time.Time{})
	_, err = other.attempt(t, m.token, 2, "")
	wants(t, err, "who answers is not a master of its cluster")
	// The token is not shown to who is not of the authority.
	authority, err := Trust(t.Context(), []string{m.peer}, m.token)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Join(t.Context(), []string{other.peer}, authority, m.token, named(2), nil)
	wants(t, err, "does not belong to the cluster")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	client := NewClient([]string{m.peer}, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13})
	defer client.Close()
	_, err = client.Packages(t.Context())
	wants(t, err, "only nodes may ask for this")
	wants(t, client.Step(t.Context(), StepSecrets, named(2), true, nil), "only nodes may ask for this")
	nobody := NewClient([]string{"127.0.0.1:1"}, &tls.Config{MinVersion: tls.VersionTLS13})
	defer nobody.Close()
	_, err = nobody.View(t.Context())
	wants(t, err, "127.0.0.1:1 does not answer")
}

// document keeps one of Gravity's documents in the cluster.
func (m *master) document(kind, content string) {
	m.api.Put("namespaces/gravity-system/secrets/"+kind, "Secret", map[string]any{
		"metadata": map[string]any{"labels": map[string]any{resource.LabelKind: kind}},
		"data":     map[string]any{resource.Key: base64.StdEncoding.EncodeToString([]byte(content))},
	})
}
