package kubeconfig_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeconfig"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// server is as much of an API server as signing needs.
type server struct {
	*testing.T
	authority *x509.Certificate
	key       *ecdsa.PrivateKey
	denied    bool

	mu       sync.Mutex
	request  []byte
	life     int64
	approved bool
	deleted  bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &server{T: t, authority: parsed, key: key}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	const all = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	var body struct {
		Spec struct {
			Request           []byte `json:"request"`
			SignerName        string `json:"signerName"`
			ExpirationSeconds int64  `json:"expirationSeconds"`
		} `json:"spec"`
		Status struct {
			Conditions []struct{ Type, Status string } `json:"conditions"`
		} `json:"status"`
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			s.Error(err)
		}
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v1/nodes":
		if r.URL.Query().Get("labelSelector") != "node-role.kubernetes.io/control-plane" {
			s.Errorf("asked for the nodes of %q", r.URL.RawQuery)
		}
		s.write(w, map[string]any{"apiVersion": "v1", "kind": "NodeList", "items": []any{
			nodeObject("node-3", "fd00::3"), nodeObject("node-1", "10.0.0.1"), nodeObject("node-2", "10.0.0.2"), nodeObject("node-4", ""),
		}})
	case "POST " + all:
		if body.Spec.SignerName != "kubernetes.io/kube-apiserver-client" {
			s.Errorf("signer %q", body.Spec.SignerName)
		}
		s.request, s.life = body.Spec.Request, body.Spec.ExpirationSeconds
		s.write(w, s.object(nil))
	case "PUT " + all + "/one/approval":
		s.approved = len(body.Status.Conditions) == 1 && body.Status.Conditions[0].Type == "Approved"
		s.write(w, s.object(nil))
	case "GET " + all + "/one":
		switch {
		case s.denied:
			s.write(w, s.object(map[string]any{"conditions": []any{map[string]any{"type": "Denied", "message": "not today"}}}))
		case s.approved:
			s.write(w, s.object(map[string]any{"certificate": s.sign()}))
		default:
			s.write(w, s.object(nil))
		}
	case "DELETE " + all + "/one":
		s.deleted = true
		s.write(w, map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Success"})
	default:
		s.Errorf("unexpected %s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusNotFound)
	}
}

func nodeObject(name, address string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{
		"name": name, "labels": map[string]any{"gravitational.io/advertise-ip": address},
	}}
}

func (s *server) object(status map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": map[string]any{"name": "one"},
		"status": status,
	}
}

func (s *server) write(w http.ResponseWriter, object any) {
	if err := json.NewEncoder(w).Encode(object); err != nil {
		s.Error(err)
	}
}

// sign signs what was asked for.
func (s *server) sign() []byte {
	block, _ := pem.Decode(s.request)
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = asked.CheckSignature()
	}
	if err != nil {
		s.Error(err)
		return nil
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: asked.Subject,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Duration(s.life) * time.Second),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.authority, asked.PublicKey, s.key)
	if err != nil {
		s.Error(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// master makes the files of a master whose API server is s.
func master(t *testing.T, s *server) paths.Paths {
	t.Helper()
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	p, err := paths.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{
		Server:                   listening.URL,
		CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.authority.Raw}),
	}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c"}
	config.CurrentContext = "x"
	content, err := clientcmd.Write(*config)
	if err == nil {
		err = paths.WriteFile(p.KubernetesFile("admin.conf"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	one := &node.Node{Cluster: "demo", Name: "node-2", Address: netip.MustParseAddr("10.0.0.2"), Master: true, Runtime: "1.37.2"}
	if err := one.Write(p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMake(t *testing.T) {
	s := newServer(t)
	p := master(t, s)
	made, err := kubeconfig.Make(t.Context(), p, kubeconfig.Request{User: "alice", Groups: []string{"view", "audit"}, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"https://10.0.0.2:6443", "https://10.0.0.1:6443", "https://[fd00::3]:6443"}, made.Servers); diff != "" {
		t.Errorf("servers (-want +got)\n%s", diff)
	}
	if !s.deleted {
		t.Error("the request was not deleted")
	}
	pair, err := tls.X509KeyPair([]byte(made.ClientCertificate), []byte(made.ClientKey))
	if err != nil {
		t.Fatal(err)
	}
	if subject := pair.Leaf.Subject; subject.CommonName != "alice" || len(subject.Organization) != 2 || !slices.Contains(subject.Organization, "view") {
		t.Errorf("signed for %s", subject)
	}
	if s.life != 3600 || !made.Expires.Equal(pair.Leaf.NotAfter) {
		t.Errorf("asked for %d s, and is good until %s instead of %s", s.life, made.Expires, pair.Leaf.NotAfter)
	}
	config, err := clientcmd.Load([]byte(made.Kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	if config.CurrentContext != "demo" || len(config.Contexts) != 4 || config.Clusters["demo"].Server != made.Servers[0] ||
		config.Clusters["demo-node-3"].Server != made.Servers[2] {
		t.Errorf("kubeconfig\n%s", strings.ReplaceAll(made.Kubeconfig, made.ClientKey, "…"))
	}
	authority := config.Clusters["demo-node-1"].CertificateAuthorityData
	if block, _ := pem.Decode(authority); block == nil || !bytes.Equal(block.Bytes, s.authority.Raw) {
		t.Errorf("authority %q", authority)
	}
	if string(config.AuthInfos["alice"].ClientKeyData) != made.ClientKey {
		t.Error("the kubeconfig has another key")
	}
}

func TestDenied(t *testing.T) {
	s := newServer(t)
	s.denied = true
	// A refusal is for good, so nobody waits for the end of the time.
	_, err := kubeconfig.Make(t.Context(), master(t, s), kubeconfig.Request{User: "alice", Life: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "alice") || !strings.Contains(err.Error(), "not today") {
		t.Errorf("a denied request: %v", err)
	}
	if !s.deleted {
		t.Error("the request was not deleted")
	}
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		request kubeconfig.Request
		want    string
	}{
		"good":    {kubeconfig.Request{User: "a", Life: time.Hour}, ""},
		"no name": {kubeconfig.Request{Life: time.Hour}, "needs a name"},
		"short":   {kubeconfig.Request{User: "a", Life: time.Minute}, "not for 1m0s"},
		"long":    {kubeconfig.Request{User: "a", Life: 9000 * time.Hour}, "not for 9000h"},
		"masters": {kubeconfig.Request{User: "a", Life: time.Hour, Groups: []string{"view", "system:masters"}}, "system:masters"},
	} {
		err := test.request.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
