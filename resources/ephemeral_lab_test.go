package resources_test

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// keyPattern is what private keys look like in kubeconfigs.
var keyPattern = regexp.MustCompile(`client-key-data: *[A-Za-z0-9+/]{40}`)

// handed is where the second node gets what ephemeral resources have.
const handed = "/run/terraform"

// ephemeral takes a kubeconfig and a join token to a machine, the way that Terraform
// has for what it does not write down, and uses them there. It adds them to what is
// searched for later.
func (s *site) ephemeral(secrets *[]string) []resource.TestStep {
	config := fmt.Sprintf(`
ephemeral "gravity_kubeconfig" "it" {
  masters = gravity_cluster.shop.masters
  user    = "pipeline"
  groups  = ["view"]
}

ephemeral "gravity_join_token" "it" {
  masters = gravity_cluster.shop.masters
  ttl     = "30m"
}

resource "terraform_data" "it" {
  connection {
    type        = "ssh"
    host        = %q
    agent       = false
    private_key = <<END
%sEND
  }
  provisioner "remote-exec" {
    inline = ["install -d -m 0700 %[3]s"]
  }
  provisioner "file" {
    content     = ephemeral.gravity_kubeconfig.it.raw
    destination = "%[3]s/kubeconfig"
  }
  provisioner "file" {
    content     = ephemeral.gravity_join_token.it.token
    destination = "%[3]s/token"
  }
  provisioner "remote-exec" {
    inline = [
      "set -e",
      "kubectl --kubeconfig=%[3]s/kubeconfig get pods --all-namespaces -o name >%[3]s/pods",
      "if kubectl --kubeconfig=%[3]s/kubeconfig get secrets --all-namespaces; then exit 1; fi",
      "gravity token ls -o json >%[3]s/tokens",
    ]
  }
}
`, s.addresses[1], s.key, handed)
	cluster := s.provider("") + s.cluster() + s.nodes(nil, 2, 3, 4)
	return []resource.TestStep{{
		Config: cluster + config,
		Check: func(*terraform.State) error {
			if pods := s.must(2, "cat "+handed+"/pods"); strings.Count(pods, "pod/") < 4 {
				s.Errorf("the kubeconfig shows the pods %q", pods)
			}
			token := s.must(2, "cat "+handed+"/token")
			id, _, ok := strings.Cut(token, ".")
			if listed := s.must(2, "cat "+handed+"/tokens"); !ok || !tokenPattern.MatchString(token) || !strings.Contains(listed, `"`+id+`"`) {
				s.Errorf("the cluster did not know the token")
			}
			if left := s.must(1, "gravity token ls -o json"); strings.Contains(left, `"`+id+`"`) || strings.Count(left, `"id"`) != 1 {
				s.Errorf("the token is not revoked: %s", left)
			}
			kubeconfig := s.must(2, "cat "+handed+"/kubeconfig")
			key := keyPattern.FindString(kubeconfig)
			if key == "" {
				s.Error("the kubeconfig has no key")
			}
			*secrets = append(*secrets, token, strings.TrimSpace(strings.TrimPrefix(key, "client-key-data:")))
			// Terraform leaves its scripts, which have nothing secret.
			s.must(2, "rm -r "+handed+" /tmp/terraform_*.sh")
			return nil
		},
	}, {Config: cluster}}
}
