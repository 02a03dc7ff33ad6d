package resources_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/provider"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

// tokenPattern is what made join tokens look like.
var tokenPattern = regexp.MustCompile(`\b[a-z0-9]{8}\.[a-z2-7]{26}\b`)

const (
	shopResource = "gravity_cluster.shop"
	more2        = "gravity_node.node-2"
	more3        = "gravity_node.node-3"
	more4        = "gravity_node.node-4"
)

// TestAccCluster makes a cluster of three masters and a worker, and has happen to
// it what happens.
func TestAccCluster(t *testing.T) {
	s := newSite(t, 4)
	work, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	for name, value := range map[string]string{
		// The framework of the test would log the configuration that it is given.
		"TF_LOG_SDK_HELPER_RESOURCE": "OFF",
		"TF_LOG":                     "TRACE", "TF_ACC_LOG_PATH": log, "TF_ACC_PERSIST_WORKING_DIR": "1", "TF_ACC_TEMP_DIR": work,
	} {
		t.Setenv(name, value)
	}
	pool := connection.NewPool(connection.PoolOptions{})
	t.Cleanup(pool.Close)
	secrets := []string{s.secret, strings.Split(s.key, "\n")[2]}
	upgraded := s.upgraded() // before the cache is another
	s.toHub()
	var steps []resource.TestStep
	began := time.Now()
	add := func(name string, more ...resource.TestStep) {
		for _, step := range more {
			prepare := step.PreConfig
			step.PreConfig = func() {
				t.Logf("%5.1f s: %s", time.Since(began).Seconds(), name)
				if prepare != nil {
					prepare()
				}
			}
			steps = append(steps, step)
		}
	}
	add("refused", s.refused()...)
	add("create", s.create(&secrets))
	add("ephemeral resources", s.ephemeral(&secrets)...)
	add("import", s.imported()...)
	add("unreachable", s.unreachable()...)
	add("another bundle", upgraded)
	add("removed behind Terraform's back", s.removedBehind())
	if os.Getenv(allVariable) != "" {
		add("first master dead", s.firstDead())
		add("first master back, another machine for node-3", s.replaced()...)
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: map[string]func() (tfprotov6.ProviderServer, error){
			"gravity": providerserver.NewProtocol6WithError(provider.New("1.2.3", pool)),
		},
		Steps: steps,
	})
	t.Logf("%5.1f s: destroyed", time.Since(began).Seconds())
	s.asBefore(1, 2, 4)
	s.searched(secrets, work, filepath.Dir(log))
	if info, err := os.Stat(log); err != nil || info.Size() < 10_000 {
		t.Errorf("the log: %v", err)
	}
}

// refused are machines that let nobody in, or not the right one.
func (s *site) refused() []resource.TestStep {
	_, other := sshtest.Key(s.T)
	key := strings.Replace(s.provider(""), s.key, other, 1)
	user := s.provider("    user = \"stranger\"")
	host := s.provider(fmt.Sprintf("    host_key = %q", s.otherHostKey()))
	stranger := strings.Replace(s.cluster(), strings.Split(s.signer, "\n")[1], "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", 1)
	return []resource.TestStep{
		{Config: key + s.cluster(), ExpectError: regexp.MustCompile(`(?s)Cannot install cluster.*authorized_keys`)},
		{Config: host + s.cluster(), ExpectError: regexp.MustCompile(`(?s)Cannot install cluster.*host\s+key.*changed`)},
		{
			PreConfig: func() {
				s.must(1, "useradd --create-home stranger && cp -r /root/.ssh ~stranger/ && chown -R stranger: ~stranger/.ssh")
			},
			Config: user + s.cluster(), ExpectError: regexp.MustCompile(`(?s)Cannot install cluster.*sudo`),
		},
		{
			PreConfig: func() {
				s.until(1, "pkill -KILL -u stranger; userdel --remove stranger 2>/dev/null; ! id stranger 2>/dev/null")
			},
			Config: s.provider("") + stranger, PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Bundle is not trusted.*it\s+is\s+signed\s+by`),
		},
	}
}

// otherHostKey is a key that no machine has.
func (s *site) otherHostKey() string {
	return strings.Join(strings.Fields(s.must(1, "ssh-keygen -q -t ed25519 -N '' -f /tmp/other </dev/null; cat /tmp/other.pub; rm /tmp/other /tmp/other.pub"))[:2], " ")
}

func value(address, name string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New(name), want)
}

// unchanged wants nothing to be planned after a step.
var unchanged = []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}

func (s *site) create(secrets *[]string) resource.TestStep {
	return resource.TestStep{
		Config: s.provider("") + s.cluster() + s.nodes(nil, 2, 3, 4),
		ConfigStateChecks: []statecheck.StateCheck{
			value(shopResource, "version", knownvalue.StringExact("1.0.0")),
			value(shopResource, "operation_status", knownvalue.StringExact("completed")),
			value(more2, "operation_status", knownvalue.StringExact("completed")),
			value(more2, "master", knownvalue.Bool(true)),
			value(more3, "master", knownvalue.Bool(true)),
			value(more4, "master", knownvalue.Bool(false)),
		},
		ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: unchanged},
		Check: func(*terraform.State) error {
			s.until(1, "test $(kubectl get nodes --no-headers | grep -c ' Ready') = 4")
			if got := s.must(1, "kubectl get secret hidden -o jsonpath='{.data.password}' | base64 -d"); got != s.secret {
				s.Error("what config_wo has was not created")
			}
			*secrets = append(*secrets, s.must(1, "cat /var/lib/gravity/agent/token"))
			if left := s.must(1, "gravity token ls -o json | grep -c '\"id\"'"); left != "1" {
				s.Errorf("%s join tokens are left", left)
			}
			if left := s.must(2, "ls /var/lib/gravity/uploads 2>/dev/null; true"); left != "" {
				s.Errorf("uploads are left: %s", left)
			}
			return nil
		},
	}
}

// imported imports what there is, which is no change: the cluster tells what it was
// installed with, and what nobody knows does not count.
func (s *site) imported() []resource.TestStep {
	config := s.provider("") + s.cluster() + s.nodes(nil, 2, 3, 4)
	return []resource.TestStep{
		{Config: config, ResourceName: shopResource, ImportState: true, ImportStateId: s.addresses[0], ImportStateKind: resource.ImportBlockWithID},
		{Config: config, ResourceName: more2, ImportState: true, ImportStateId: s.addresses[1], ImportStateKind: resource.ImportBlockWithID},
		{
			Config: config, ResourceName: more4, ImportState: true, ImportStateId: s.addresses[3] + "," + s.addresses[0],
			ImportStateKind: resource.ImportBlockWithID,
		},
	}
}

// upgraded: another bundle under the same path is told from the one that is
// installed.
func (s *site) upgraded() resource.TestStep {
	next := shop
	next.Version = "1.0.1"
	next.Manifest = strings.Replace(next.Manifest, "1.0.0", "1.0.1", 1)
	other := installtest.Bundle(s.T, s.program, next)
	return resource.TestStep{
		Config:   s.provider("") + strings.Replace(s.cluster(), s.bundle, other, 1),
		PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Cluster cannot be upgraded.*1\.0\.0`),
	}
}

// unreachable: what cannot be reached is not gone.
func (s *site) unreachable() []resource.TestStep {
	rest := s.cluster() + s.nodes(nil, 2, 3, 4)
	silent := strings.Replace(s.provider("    port = 2"), `"30s"`, `"2s"`, 1)
	return []resource.TestStep{
		{Config: silent + rest, PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Cannot read (cluster|node).*no\s+success`)},
		{Config: s.provider("") + rest, PlanOnly: true},
	}
}

func (s *site) removedBehind() resource.TestStep {
	return resource.TestStep{
		PreConfig: func() { s.must(1, "gravity remove node-4 --confirm --wait"); s.asBefore(4) },
		Config:    s.provider("") + s.cluster() + s.nodes(nil, 2, 3, 4),
		ConfigPlanChecks: resource.ConfigPlanChecks{
			PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(more4, plancheck.ResourceActionCreate),
				plancheck.ExpectResourceAction(more3, plancheck.ResourceActionNoop),
				plancheck.ExpectResourceAction(shopResource, plancheck.ResourceActionNoop),
			},
			PostApplyPostRefresh: unchanged,
		},
	}
}

// offline waits until a node is, as another sees it.
func (s *site) offline(n int) {
	s.Helper()
	s.until(n, "gravity status -o json | grep -q '\"status\": *\"offline\"'")
}

// firstDead: the first master has lost its power, and a node is removed.
func (s *site) firstDead() resource.TestStep {
	return resource.TestStep{
		PreConfig: func() {
			if err := s.machines[0].Kill(s.Context()); err != nil {
				s.Fatal(err)
			}
			s.offline(2)
		},
		Config: s.provider("") + s.cluster() + s.nodes(nil, 2, 3),
		ConfigPlanChecks: resource.ConfigPlanChecks{
			PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(more4, plancheck.ResourceActionDestroy),
				plancheck.ExpectResourceAction(shopResource, plancheck.ResourceActionNoop),
			},
			PostApplyPostRefresh: unchanged,
		},
		Check: func(*terraform.State) error { s.asBefore(4); return nil },
	}
}

// replaced: another machine has the address of a node, with a host key of its own.
func (s *site) replaced() []resource.TestStep {
	back := func() {
		if err := s.machines[0].Start(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.until(2, "gravity status >/dev/null")
		s.must(3, "gravity system uninstall --confirm; rm /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null; systemctl restart ssh")
		s.offline(2)
		key := strings.Join(strings.Fields(s.must(3, "cat /etc/ssh/ssh_host_ed25519_key.pub"))[:2], " ")
		if err := os.WriteFile(s.hostKeyFile(), []byte(key), 0o600); err != nil {
			s.Fatal(err)
		}
	}
	rest := s.provider("") + s.cluster()
	own := map[int]string{3: fmt.Sprintf("  ssh = { host_key = file(%q) }", s.hostKeyFile())}
	return []resource.TestStep{
		{PreConfig: back, Config: rest + s.nodes(nil, 2, 3), PlanOnly: true, ExpectNonEmptyPlan: true},
		{
			Config: rest + s.nodes(own, 2, 3),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction(more3, plancheck.ResourceActionUpdate),
					plancheck.ExpectUnknownValue(more3, tfjsonpath.New("membership")),
					plancheck.ExpectResourceAction(more2, plancheck.ResourceActionNoop),
				},
				PostApplyPostRefresh: unchanged,
			},
			ConfigStateChecks: []statecheck.StateCheck{value(more3, "membership", knownvalue.StringExact("member"))},
		},
	}
}

func (s *site) hostKeyFile() string { return filepath.Join(s.folder, "node-3.pub") }
