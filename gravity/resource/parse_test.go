package resource_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/resource"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const mixed = `# comment
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {on: "off"}
---
---
kind: LogForwarders
version: v2
metadata: {name: forwarder}
spec: {address: 1.2.3.4:514}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: b}}
  - {apiVersion: v1, kind: Secret, metadata: {name: c}}
---
{"kind": "env", "version": "v1", "spec": {"data": {"A": "no"}}}
`

func TestParse(t *testing.T) {
	file, err := resource.Parse("file", []byte(mixed))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, object := range file.Kubernetes {
		names = append(names, object.GetKind()+" "+object.GetName())
	}
	if diff := cmp.Diff([]string{"ConfigMap a", "Secret b", "Secret c"}, names); diff != "" {
		t.Error(diff)
	}
	want := []resource.Document{
		{
			Kind: "logforwarder", Version: "v2", Name: "forwarder", Line: 8,
			Content: []byte(`{"kind":"LogForwarders","metadata":{"name":"forwarder"},"spec":{"address":"1.2.3.4:514"},"version":"v2"}`),
		},
		{
			Kind: "runtimeenvironment", Version: "v1", Name: "runtimeenvironment", Line: 19,
			Content: []byte(`{"kind":"env","spec":{"data":{"A":"no"}},"version":"v1"}`),
		},
	}
	if diff := cmp.Diff(want, file.Gravity); diff != "" {
		t.Error(diff)
	}
}

// TestParseRefuses wants each problem with its line, all of them at once, and no
// values in messages.
func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"kind: role\n", "f: line 1: the document of kind role has neither apiVersion nor version"},
		{"a: 1\n", "f: line 1: the document has no kind"},
		{"- a\n", "f: line 1: it is no mapping"},
		{"hello\n", "f: line 1: it is no mapping"},
		{"\n\nkind: rolle\nversion: v3\n", `f: line 3: unknown kind "rolle" of Gravity documents`},
		{"kind: role\nversion: v1\n", `f: line 1: role resource version "v1" is not supported`},
		{"kind: role\nversion: v3\nspec: {}\n", "f: line 1: role: metadata.name is missing"},
		{"kind: smtp\nversion: v2\n", "f: line 1: smtp: spec is missing, or no mapping"},
		{"kind: smtp\nversion: v2\nspec: secret\n", "f: line 1: smtp: spec is missing, or no mapping"},
		{"kind: smtp\nversion: v2\nspec: {}\nspecs: {}\n", `f: line 1: smtp: unknown field "specs"; a document has kind, version, metadata, spec`},
		{"kind: smtp\nversion: v2\nspec: {a: {1: b}}\n", "f: line 1: smtp: keys of mappings are text"},
		{"kind: smtp\nversion: v2\nspec: {}\n---\nkind: smtps\nversion: v2\nspec: {}\n", "f: line 5: the document of kind smtp is a second one of its name: the first is at line 1"},
		{"kind: smtp\nversion: {secret: 1}\n", "f: line 1: apiVersion, kind, version and metadata.name are text"},
		{"apiVersion: v1\nkind: Secret\ndata: {a: secret}\n", "f: line 1: Secret: an object has no apiVersion, kind or metadata.name"},
		{"kind: a\n---\nkind: b\n", "f: line 1: the document of kind a has neither apiVersion nor version\nf: line 3: the document of kind b has neither apiVersion nor version"},
		{"a: 1\n---\n{\n", "f: line 1: the document has no kind\nf: line 3: did not find"},
		{"apiVersion: v1\nkind: List\nitems: [{metadata: {name: a}}]\n", "f: line 1: List: an object has no apiVersion, kind or metadata.name"},
		{strings.Repeat("#", resource.MaxSize+1), "f: it has more than 8388608 bytes"},
		{"kind: smtp\nversion: v2\nspec: {a: " + strings.Repeat("x", 1<<20) + "}\n", "f: line 1: smtp: the document has 1048622 bytes, 983040 are the most"},
	} {
		_, err := resource.Parse("f", []byte(test.text))
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.60q: %v, want %q", test.text, err, test.want)
		}
	}
	_, err := resource.Parse("f", []byte("kind: rolle\nversion: v3\n"))
	if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "role, runtimeenvironment") {
		t.Errorf("the hints are %q", hints)
	}
}

// TestParseAt wants the guide's list of roles to be explained.
func TestParseAt(t *testing.T) {
	_, err := resource.Parse("f", []byte("kind: saml\nversion: v2\nmetadata: {name: a}\nspec:\n  roles:\n  - @teleadmin\n"))
	if hints := cli.Hints(err); err == nil || !strings.Contains(err.Error(), "f: line 6") || len(hints) != 1 || !strings.Contains(hints[0], "quotes") {
		t.Errorf("%v %v", err, hints)
	}
}

func TestFindKind(t *testing.T) {
	for name, want := range map[string]string{
		"Role": "role", "gw": "authgateway", "CAP": "cluster_auth_preference", "TrustedClusters": "trusted_cluster",
		"ClusterConfiguration": "clusterconfiguration", "environment": "runtimeenvironment", "tls": "tlskeypair",
	} {
		if kind, ok := resource.FindKind(name); !ok || kind.Name != want {
			t.Errorf("%s is %q", name, kind.Name)
		}
	}
	if _, ok := resource.FindKind(""); ok {
		t.Error("no name is a kind")
	}
}

// TestSecret wants names that Kubernetes takes, and none that is a secret.
func TestSecret(t *testing.T) {
	secret := (&resource.Document{Kind: "trusted_cluster", Name: "hub.example.com", Content: []byte("{}")}).Secret()
	if name := secret.GetName(); !strings.HasPrefix(name, "resource-trusted-cluster-") {
		t.Errorf("the name is %s", name)
	}
	if diff := cmp.Diff(map[string]string{resource.LabelKind: "trusted_cluster", resource.LabelName: "hub.example.com"}, secret.GetLabels()); diff != "" {
		t.Error(diff)
	}
	for kind, name := range map[string]string{"user": "alice@example.com", "token": "fac3b88014367fe4", "role": "@teleadmin"} {
		label := resource.NameLabel(kind, name)
		if len(label) != 32 || label == name {
			t.Errorf("the label of %s is %s", name, label)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(mixed))
	f.Add([]byte("a: &a [*a]\n---\nkind: smtp\nversion: v2\nspec: {<<: *b}"))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: 1"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := resource.Parse("file", content)
		if err != nil {
			return
		}
		for i := range file.Gravity {
			if _, err := file.Gravity[i].Secret().MarshalJSON(); err != nil {
				t.Error(err)
			}
		}
		for _, object := range file.Kubernetes {
			if object.GetName() == "" || object.GetKind() == "" {
				t.Errorf("%v", object)
			}
		}
	})
}
