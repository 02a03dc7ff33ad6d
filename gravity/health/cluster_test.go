package health

import (
	encoding "encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func base64(content []byte) string { return encoding.StdEncoding.EncodeToString(content) }

// serveAPI gives a node an API server with some objects, by their paths.
func serveAPI(t *testing.T, p paths.Paths, handler http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	write(t, p.KubernetesFile("admin.conf"), `{"apiVersion":"v1","kind":"Config","current-context":"c",
		"clusters":[{"name":"k","cluster":{"server":"`+server.URL+`"}}],"users":[{"name":"u","user":{}}],
		"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}]}`)
}

func TestNodeStatus(t *testing.T) {
	for _, test := range []struct{ name, ready, want string }{
		{"ready", "True", "well"}, {"not ready", "False", "failed"}, {"lost", "Unknown", "failed"}, {"", "", "unknown"},
	} {
		p := paths.Paths{Root: t.TempDir()}
		serveAPI(t, p, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/v1/nodes/node-1" || test.ready == "" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			fmt.Fprintf(w, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-1"},"status":{"conditions":[{"type":"Ready","status":%q,"message":"PLEG"}]}}`, test.ready)
		})
		_, err := cluster{p, &node.Node{Name: "node-1", Master: true}}.nodeStatus(t.Context())
		if level(err) != test.want || test.want == "failed" && !strings.Contains(err.Error(), "PLEG") {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
	if _, err := (cluster{paths.Paths{Root: t.TempDir()}, &node.Node{}}).nodeStatus(t.Context()); level(err) != "unknown" {
		t.Errorf("without a kubeconfig: %v", err)
	}
}

func TestSystemPods(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	serveAPI(t, p, func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if query.Get("fieldSelector") != "spec.nodeName=node-1" || query.Get("labelSelector") != "!batch.kubernetes.io/job-name" {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, `{"apiVersion":"v1","kind":"PodList","items":[]}`)
	})
	if detail, err := (cluster{p, &node.Node{Name: "node-1", Master: true}}).systemPods(t.Context()); err != nil || detail != "0 pods" {
		t.Errorf("%s, %v", detail, err)
	}
}

func TestJudgePods(t *testing.T) {
	now := time.Now()
	pod := func(name, ready string, age time.Duration, container map[string]any) unstructured.Unstructured {
		object := unstructured.Unstructured{Object: map[string]any{"status": map[string]any{
			"phase": "Running",
			"conditions": []any{map[string]any{
				"type": "Ready", "status": ready, "message": "not yet", "lastTransitionTime": now.Add(-age).UTC().Format(time.RFC3339),
			}},
			"containerStatuses": []any{map[string]any{"name": "c", "state": container}},
		}}}
		object.SetName(name)
		return object
	}
	running := map[string]any{"running": map[string]any{}}
	crashing := map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff"}}
	for _, test := range []struct {
		name string
		pod  unstructured.Unstructured
		want string
	}{
		{"ready", pod("a", "True", time.Hour, running), ""},
		{"starts", pod("a", "False", 30*time.Second, running), ""},
		{"hangs", pod("a", "False", 2*time.Minute, running), "a (a is not ready: not yet)"},
		{"crashes", pod("a", "False", time.Second, crashing), "a (CrashLoopBackOff)"},
	} {
		_, err := judgePods([]unstructured.Unstructured{test.pod}, now)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), ": "+test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	ends := pod("a", "False", time.Hour, running)
	ends.Object["metadata"].(map[string]any)["deletionTimestamp"] = now.UTC().Format(time.RFC3339)
	if _, err := judgePods([]unstructured.Unstructured{ends}, now); err != nil {
		t.Errorf("a pod that ends: %v", err)
	}
}

// TestDNS asks a server that knows one name.
func TestDNS(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go serveDNS(server)
	_, port, err := net.SplitHostPort(server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := func(content string) string { return write(t, filepath.Join(dir, "config.yaml"), content) }
	if detail, err := (dns{config("clusterDNS: [127.0.0.1]\n"), port}).check(t.Context()); err != nil || detail != dnsName+" is 10.100.0.1" {
		t.Errorf("%q, %v", detail, err)
	}
	for content, want := range map[string]string{"clusterDNS: []\n": "unknown", "clusterDNS: [x]\n": "unknown", "{": "unknown"} {
		if _, err := (dns{config(content), port}).check(t.Context()); level(err) != want {
			t.Errorf("%q: %v, want %s", content, err, want)
		}
	}
	if _, err := (dns{config("clusterDNS: [127.0.0.1]\n"), "1"}).check(t.Context()); level(err) != "failed" {
		t.Errorf("nobody answers: %v", err)
	}
}

func serveDNS(server net.PacketConn) {
	buffer := make([]byte, 512)
	for {
		size, from, err := server.ReadFrom(buffer)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if message.Unpack(buffer[:size]) != nil || len(message.Questions) == 0 {
			continue
		}
		message.Response = true
		message.Additionals = nil
		if question := message.Questions[0]; question.Name.String() == dnsName && question.Type == dnsmessage.TypeA {
			message.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class, TTL: 5},
				Body:   &dnsmessage.AResource{A: [4]byte{10, 100, 0, 1}},
			}}
		}
		if answer, err := message.Pack(); err == nil {
			_, _ = server.WriteTo(answer, from)
		}
	}
}
