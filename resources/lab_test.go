package resources_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/provider/terraformtest"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	os.Exit(m.Run())
}

var shop = installtest.Application{
	Manifest: `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata:
  name: shop
  resourceVersion: 1.0.0
installer:
  flavors:
    items:
      - name: one
        nodes: [{profile: node, count: 1}]
nodeProfiles:
  - name: node
  - name: worker
    labels: {node-role.kubernetes.io/node: "true"}
`,
	Name: "shop", Version: "1.0.0",
}

// site is a lab whose machines Terraform makes a cluster of.
type site struct {
	*testing.T
	machines  []*lab.Machine // node-1, node-2, …
	addresses []string
	before    []string // how they were
	program   string
	bundle    string
	// signer is the public key of who signed the bundle, in PEM.
	signer string
	key    string
	hosts  string
	// folder is for files that configurations read.
	folder string
	// secret is in what is created in the cluster, and nowhere else.
	secret string
}

// newSite boots machines that have nothing, and makes the bundle.
func newSite(t *testing.T, count int) *site {
	t.Helper()
	installtest.SkipWithoutLab(t)
	terraformtest.Need(t)
	s := &site{T: t, folder: t.TempDir(), secret: rand.Text(), program: installtest.Program(t)}
	s.bundle = installtest.Bundle(t, s.program, shop)
	s.signer = sign(t, s.bundle)
	machines, err := lab.New(t.Context(), lab.Options{Name: fmt.Sprintf("tf-%d", os.Getpid()), Count: count, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := machines.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	s.machines = machines.Machines()
	for n := range s.machines {
		status, err := s.machines[n].Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.addresses = append(s.addresses, status.Address.String())
		s.key, s.hosts = read(t, status.KeyFile), read(t, status.KnownHostsFile)
		s.before = append(s.before, s.must(n+1, installtest.Snapshot))
	}
	return s
}

// sign signs a bundle and returns the public key.
func sign(t *testing.T, path string) string {
	t.Helper()
	key, err := signature.Generate(signature.Ed25519)
	if err == nil {
		_, err = bundle.Sign(t.Context(), path, []signature.PrivateKey{key}, bundle.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(key.Public().Encode())
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (s *site) run(n int, script string) (string, error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 5*time.Minute)
	defer cancel()
	result, err := s.machines[n-1].Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	return strings.TrimSpace(result.Stdout), err
}

// must runs a script on a node that has to succeed.
func (s *site) must(n int, script string) string {
	s.Helper()
	text, err := s.run(n, script)
	if err != nil {
		s.Fatalf("node-%d: %s: %v\n%s", n, script, err, text)
	}
	return text
}

// until runs a script until it succeeds.
func (s *site) until(n int, script string) {
	s.Helper()
	for end := time.Now().Add(4 * time.Minute); ; {
		text, err := s.run(n, script)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			installtest.Diagnose(s.T, s.machines[n-1])
			s.Fatalf("node-%d: %s: %v\n%s", n, script, err, text)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// asBefore wants machines to be as they were.
func (s *site) asBefore(nodes ...int) {
	s.Helper()
	for _, n := range nodes {
		s.until(n, "test ! -e /etc/systemd/system/gravity-uninstall.service && ! systemctl is-active gravity-uninstall && test ! -e /var/lib/gravity/operations")
		installtest.Compare(s.T, withoutLogins(s.before[n-1]), withoutLogins(s.must(n, installtest.Snapshot)))
	}
}

// withoutLogins leaves out of a snapshot what logging in changes.
func withoutLogins(snapshot string) string {
	lines := slices.DeleteFunc(installtest.Lines(snapshot), func(line string) bool {
		return strings.HasPrefix(line, "/run/user/0") || line == "/run/motd.dynamic" || line == "(sd-pam)" || strings.HasPrefix(line, "sshd") ||
			strings.Contains(line, "user@0") || strings.Contains(line, "user-runtime-dir@") || strings.HasPrefix(line, "session-")
	})
	return strings.Join(lines, "\n")
}

// provider is the provider's configuration; more is added to ssh.
func (s *site) provider(more string) string {
	return fmt.Sprintf("provider \"gravity\" {\n  ssh = {\n    private_key = <<END\n%sEND\n    known_hosts = <<END\n%sEND\n    agent = false\n    timeout = \"30s\"\n%s\n  }\n}\n",
		s.key, s.hosts, more)
}

// cluster is gravity_cluster.shop on the first machine.
func (s *site) cluster() string {
	return fmt.Sprintf(`
resource "gravity_cluster" "shop" {
  name              = "shop"
  bundle            = %q
  advertise_address = %q
  flavor            = "one"
  skip_checks       = ["disk-latency"]
  dns_zones         = ["shop.example.com/192.0.2.53"]
  signed_by         = [%q]
  config_wo_version = 1
  config_wo         = <<END
apiVersion: v1
kind: Secret
metadata: {name: hidden, namespace: default}
stringData: {password: %s}
END
}
`, s.bundle, s.addresses[0], s.signer, s.secret)
}

// nodes are gravity_node.node-N by the numbers of machines, the fourth a worker;
// more is added to those that have some. Nothing orders them.
func (s *site) nodes(more map[int]string, nodes ...int) string {
	var list strings.Builder
	for _, n := range nodes {
		role := "node"
		if n == 4 {
			role = "worker"
		}
		fmt.Fprintf(&list, `
resource "gravity_node" "node-%d" {
  cluster           = gravity_cluster.shop.name
  masters           = gravity_cluster.shop.masters
  advertise_address = %q
  role              = %q
%s
}
`, n, s.addresses[n-1], role, more[n])
	}
	return list.String()
}

// searched looks for secrets in all files below some folders.
func (s *site) searched(secrets []string, roots ...string) {
	s.Helper()
	files := 0
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			// The configuration is where the test's own secrets are.
			if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, ".tf") || strings.HasSuffix(path, ".tar") {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			for _, secret := range secrets {
				if at := strings.Index(string(content), secret); at >= 0 {
					s.Errorf("%s has a secret: …%s…", path, content[max(0, at-200):at])
				}
			}
			for what, pattern := range map[string]*regexp.Regexp{"join token": tokenPattern, "user's key": keyPattern} {
				if at := pattern.FindIndex(content); at != nil {
					s.Errorf("%s has a %s: …%s…", path, what, content[max(0, at[0]-200):at[0]])
				}
			}
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
	}
	if files < 3 {
		s.Errorf("only %d files were searched", files)
	}
}
