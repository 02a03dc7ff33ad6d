package resources_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAccTenNodes has ten machines join at once by for_each, with the parallelism
// that Terraform has by default, through a master whose sshd takes few connections
// and few sessions. A cluster has at most five nodes join at a time: the others wait.
func TestAccTenNodes(t *testing.T) {
	if os.Getenv(allVariable) == "" {
		t.Skipf("boots eleven machines; set %s=1", allVariable)
	}
	s := newSite(t, 11)
	s.must(1, "printf 'MaxStartups 2:50:3\\nMaxSessions 4\\n' >/etc/ssh/sshd_config.d/few.conf && systemctl restart ssh")
	p := newProgram(s)
	s.write(filepath.Join(p.folder, "main.tf"), "terraform {\n  required_providers {\n    gravity = { source = \"gravity-platform/gravity\" }\n  }\n}\n"+
		s.provider("")+s.cluster()+fmt.Sprintf(`
resource "gravity_node" "worker" {
  for_each = toset(["%s"])

  cluster           = gravity_cluster.shop.name
  masters           = gravity_cluster.shop.masters
  advertise_address = each.value
  role              = "worker"
}
`, strings.Join(s.addresses[1:], `", "`)))
	began := time.Now()
	step := func(name string, args ...string) {
		p.must(args...)
		t.Logf("%5.1f s: %s", time.Since(began).Seconds(), name)
	}
	step("installed", "apply", "-auto-approve", "-no-color", "-target=gravity_cluster.shop")
	step("joined", "apply", "-auto-approve", "-no-color")
	s.until(1, "test $(kubectl get nodes --no-headers | grep -c ' Ready') = 11")
	step("planned, without changes", "plan", "-detailed-exitcode", "-no-color")
	step("destroyed", "destroy", "-auto-approve", "-no-color")
	s.must(1, "rm /etc/ssh/sshd_config.d/few.conf && systemctl restart ssh")
	for n := range s.machines {
		s.asBefore(n + 1)
	}
}
