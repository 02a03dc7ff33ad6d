package provider_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
	"github.com/gravity-platform/terraform-provider-gravity/provider/terraformtest"
)

// fakeGravity answers as a master's gravity does, and notes what it was asked.
const fakeGravity = `#!/bin/sh
echo "$*" >>"$FAKE/asked"
case "$*" in
"status -o json") cat "$FAKE/status"; exit "$(cat "$FAKE/code")" ;;
"token create "*" -o json") cat "$FAKE/token" ;;
"token rm abcd2345 -o json") exit "$(cat "$FAKE/removal")" ;;
"kubeconfig "*" -o json") cat "$FAKE/kubeconfig" ;;
*) echo '{"error":"what is '"$*"'","code":2}' >&2; exit 2 ;;
esac
`

// fake is a machine that pretends to be a master.
type fake struct {
	*testing.T
	folder string
	server *sshtest.Server
	// token and key are its secrets: random, since what is searched for them may
	// have the sources of this test.
	token, key string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	folder, password := t.TempDir(), "password-"+rand.Text()
	f := &fake{T: t, folder: folder, token: "abcd2345." + strings.ToLower(rand.Text()), key: "key-" + rand.Text()}
	if err := os.WriteFile(filepath.Join(folder, "gravity"), []byte(fakeGravity), 0o700); err != nil {
		t.Fatal(err)
	}
	f.server = sshtest.New(t, sshtest.Options{
		Password: password, Environment: []string{"FAKE=" + folder, "PATH=" + folder + ":" + os.Getenv("PATH")},
	})
	for name, value := range map[string]string{
		"USER": "root", "PASSWORD": password, "PORT": strconv.Itoa(f.server.Port), "HOST_KEY": f.server.HostKey, "AGENT": "false", "TIMEOUT": "2s",
	} {
		t.Setenv("TF_GRAVITY_SSH_"+name, value)
	}
	expires := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	f.answer("status", f.status())
	f.write("code", "0")
	f.write("removal", "0")
	f.answer("token", report.JoinToken{ID: "abcd2345", Token: f.token, Expires: expires})
	f.answer("kubeconfig", report.Kubeconfig{
		Cluster: "demo", User: "alice", Groups: []string{"view"}, Expires: expires, Servers: []string{"https://10.0.0.1:6443", "https://10.0.0.2:6443"},
		CertificateAuthority: "authority", ClientCertificate: "certificate", ClientKey: f.key, Kubeconfig: "raw " + f.key,
	})
	return f
}

func (f *fake) status() *report.Status {
	return &report.Status{Cluster: report.StatusCluster{
		Application: report.StatusApplication{Name: "shop", Version: "1.2.3"}, State: "active", Domain: "demo",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Token: report.StatusToken{Token: f.token}, SystemStatus: report.SystemRunning,
		Facts: &report.StatusFacts{Bundle: "sha256:abc", Runtime: "1.37.2"},
		Endpoints: report.StatusEndpoints{
			Cluster: report.StatusClusterEndpoints{Kubernetes: []string{"https://127.0.0.1:6443"}},
			Applications: []report.StatusApplicationEndpoints{{Endpoints: []report.StatusEndpoint{{
				Name: "web", Addresses: []string{"http://127.0.0.1:30080"},
			}}}},
		},
		Nodes: []report.StatusNode{
			{Hostname: "node-2", AdvertiseIP: "127.0.0.2", Role: "node", Profile: "worker", Status: "offline", WarnProbes: []string{"disk: full"}},
			{Hostname: "node-1", AdvertiseIP: "127.0.0.1", Role: "master", Profile: "server", Status: "healthy"},
		},
	}}
}

func (f *fake) answer(name string, value any) {
	f.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		f.Fatal(err)
	}
	f.write(name, string(content))
}

func (f *fake) write(name, content string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.folder, name), []byte(content), 0o600); err != nil {
		f.Fatal(err)
	}
}

// asked counts the commands that begin with some words.
func (f *fake) asked(words string) int {
	f.Helper()
	content, err := os.ReadFile(filepath.Join(f.folder, "asked"))
	if err != nil {
		f.Fatal(err)
	}
	return len(slices.Collect(func(yield func(string) bool) {
		for line := range strings.Lines(string(content)) {
			if strings.HasPrefix(line, words) && !yield(line) {
				return
			}
		}
	}))
}

const masters = "  masters = [{ address = \"127.0.0.1\" }]\n"

func echoed(f *fake) map[string]func() (tfprotov6.ProviderServer, error) {
	served := factories(f.T)
	served["echo"] = echoprovider.NewProviderServer()
	return served
}

func TestAccClusterData(t *testing.T) {
	terraformtest.Need(t)
	f := newFake(t)
	config := "data \"gravity_cluster\" \"demo\" {\n" + masters + "}\n"
	at := func(path tfjsonpath.Path, want knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.gravity_cluster.demo", path, want)
	}
	text := func(path tfjsonpath.Path, want string) statecheck.StateCheck {
		return at(path, knownvalue.StringExact(want))
	}
	node := tfjsonpath.New("nodes")
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(t),
		Steps: []resource.TestStep{
			{Config: config, ConfigStateChecks: []statecheck.StateCheck{
				text(tfjsonpath.New("name"), "demo"), text(tfjsonpath.New("state"), "active"), at(tfjsonpath.New("reason"), knownvalue.Null()),
				at(tfjsonpath.New("healthy"), knownvalue.Bool(true)), text(tfjsonpath.New("application"), "shop"), text(tfjsonpath.New("version"), "1.2.3"),
				text(tfjsonpath.New("kubernetes_version"), "1.37.2"), text(tfjsonpath.New("bundle_digest"), "sha256:abc"),
				text(tfjsonpath.New("created"), "2026-01-02T03:04:05Z"),
				text(node.AtSliceIndex(0).AtMapKey("name"), "node-1"), text(node.AtSliceIndex(1).AtMapKey("role"), "worker"),
				at(node.AtSliceIndex(0).AtMapKey("failed_probes"), knownvalue.ListSizeExact(0)),
				text(node.AtSliceIndex(1).AtMapKey("warnings").AtSliceIndex(0), "disk: full"),
				at(tfjsonpath.New("current_masters"), knownvalue.ListSizeExact(1)),
				text(tfjsonpath.New("current_masters").AtSliceIndex(0).AtMapKey("address"), "127.0.0.1"),
				text(tfjsonpath.New("endpoints").AtMapKey("web").AtSliceIndex(0), "http://127.0.0.1:30080"),
				text(tfjsonpath.New("kubernetes_endpoints").AtSliceIndex(0), "https://127.0.0.1:6443"),
			}},
			{
				PreConfig: func() {
					status := f.status()
					status.Cluster.State, status.Cluster.Reason, status.Cluster.SystemStatus = "degraded", "cluster_degraded", report.SystemDegraded
					f.answer("status", status)
					f.write("code", "3")
				},
				Config: config, ConfigStateChecks: []statecheck.StateCheck{
					text(tfjsonpath.New("reason"), "cluster_degraded"), at(tfjsonpath.New("healthy"), knownvalue.Bool(false)),
				},
			},
			{
				Config:      strings.Replace(config, "masters =", "name = \"other\"\n  masters =", 1),
				ExpectError: regexp.MustCompile(`(?s)Cannot read cluster.*other`),
			},
			{
				// The first master is dead: nobody listens there.
				Config: strings.Replace(config, "[", "[{ address = \"127.0.0.9\" }, ", 1), PlanOnly: true,
			},
		},
	})
}

// TestAccJoinToken: the token is there while Terraform runs, and revoked after.
func TestAccJoinToken(t *testing.T) {
	terraformtest.Need(t)
	f := newFake(t)
	config := func(more string) string {
		return "ephemeral \"gravity_join_token\" \"demo\" {\n" + masters + more + "}\n" +
			"provider \"echo\" {\n  data = ephemeral.gravity_join_token.demo\n}\nresource \"echo\" \"it\" {}\n"
	}
	text := func(name, want string) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("echo.it", tfjsonpath.New("data").AtMapKey(name), knownvalue.StringExact(want))
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: echoed(f),
		Steps: []resource.TestStep{
			{Config: config("  ttl = \"1s\"\n"), ExpectError: regexp.MustCompile("Invalid time to live")},
			{Config: config("  cluster = \"other\"\n"), ExpectError: regexp.MustCompile(`(?s)Cannot reach cluster.*other`)},
			{Config: config("  ttl = \"20m\"\n"), ConfigStateChecks: []statecheck.StateCheck{
				text("token", f.token), text("id", "abcd2345"), text("expires", "2031-02-03T04:05:06Z"), text("cluster", "demo"), text("ttl", "20m"),
			}},
			// What cannot be revoked is a warning, not the end of an apply.
			{PreConfig: func() { f.write("removal", "1") }, Config: config(""), ConfigPlanChecks: resource.ConfigPlanChecks{
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			}},
		},
	})
	made, revoked := f.asked("token create"), f.asked("token rm abcd2345")
	if made < 2 || revoked != made || f.asked("token create --ttl=20m") == 0 || f.asked("token create --ttl=1h") == 0 {
		t.Errorf("%d tokens were made and %d revoked", made, revoked)
	}
}

func TestAccKubeconfig(t *testing.T) {
	terraformtest.Need(t)
	f := newFake(t)
	config := func(more string) string {
		return "ephemeral \"gravity_kubeconfig\" \"demo\" {\n" + masters + more + "}\n" +
			"provider \"echo\" {\n  data = ephemeral.gravity_kubeconfig.demo\n}\nresource \"echo\" \"it\" {}\n"
	}
	text := func(path tfjsonpath.Path, want string) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("echo.it", path, knownvalue.StringExact(want))
	}
	data := tfjsonpath.New("data")
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: echoed(f),
		Steps: []resource.TestStep{
			{Config: config("  ttl = \"5m\"\n"), ExpectError: regexp.MustCompile(`(?s)Invalid time to live.*10m0s`)},
			{Config: config("  user = \"alice\"\n  groups = [\"view\"]\n"), ConfigStateChecks: []statecheck.StateCheck{
				text(data.AtMapKey("raw"), "raw "+f.key), text(data.AtMapKey("client_key"), f.key),
				text(data.AtMapKey("client_certificate"), "certificate"), text(data.AtMapKey("cluster_ca_certificate"), "authority"),
				text(data.AtMapKey("host"), "https://10.0.0.1:6443"), text(data.AtMapKey("hosts").AtSliceIndex(1), "https://10.0.0.2:6443"),
				text(data.AtMapKey("expires"), "2031-02-03T04:05:06Z"), text(data.AtMapKey("user"), "alice"),
			}},
		},
	})
	if f.asked("kubeconfig --user=alice --ttl=1h --group=view -o json") == 0 {
		t.Error("no kubeconfig was asked for")
	}
}

// TestAccClusterSecrets: what clusters give is in nothing that Terraform and the
// provider write down.
func TestAccClusterSecrets(t *testing.T) {
	terraformtest.Need(t)
	f := newFake(t)
	path := writeBundle(t)
	s := newSearch(t)
	// A provider is the one place where any provider takes what is ephemeral.
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(t),
		Steps: []resource.TestStep{{Config: fmt.Sprintf(`
data "gravity_cluster" "demo" {
%[1]s}
ephemeral "gravity_join_token" "demo" {
%[1]s}
ephemeral "gravity_kubeconfig" "demo" {
%[1]s}
provider "gravity" {
  alias = "other"
  ssh = {
    host             = "192.0.2.1"
    password         = ephemeral.gravity_join_token.demo.token
    bastion_password = ephemeral.gravity_kubeconfig.demo.client_key
  }
}
data "gravity_bundle" "shop" {
  provider = gravity.other
  path     = %[2]q
}
`, masters, path)}},
	})
	if f.asked("token create") == 0 || f.asked("kubeconfig") == 0 {
		t.Error("nothing was opened")
	}
	s.check(f.token, f.key, os.Getenv("TF_GRAVITY_SSH_PASSWORD"))
}
