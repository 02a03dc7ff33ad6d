package provider_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/terraformtest"
)

// imports wants a plan that imports, and changes nothing.
type imports struct{ actions tfjson.Actions }

func (i imports) CheckPlan(_ context.Context, request plancheck.CheckPlanRequest, response *plancheck.CheckPlanResponse) {
	for _, one := range request.Plan.ResourceChanges {
		if one.Change.Importing == nil {
			response.Error = fmt.Errorf("%s is not imported", one.Address)
		} else if fmt.Sprint(one.Change.Actions) != fmt.Sprint(i.actions) {
			response.Error = fmt.Errorf("%s: %v\nbefore %v\nafter %v", one.Address, one.Change.Actions, one.Change.Before, one.Change.After)
		}
	}
	if len(request.Plan.ResourceChanges) != 1 {
		response.Error = errors.Join(response.Error, fmt.Errorf("%d resources change", len(request.Plan.ResourceChanges)))
	}
}

// installed is what the cluster of a fake machine was installed with.
var installed = report.StatusInstallation{
	Flavor: "small", Mounts: map[string]string{"data": "/mnt/data"}, DNSZones: []string{"example.com/10.0.0.53", "example.org/10.0.0.54:53"},
	SkipChecks: []string{"disk-latency"},
}

const (
	readable = `  role         = "server"
  flavor       = "small"
  mounts       = { data = "/mnt/data" }
  dns_zones    = ["example.com/10.0.0.53", "example.org/10.0.0.54:53"]
  skip_checks  = ["disk-latency"]
  pod_cidr     = "10.244.0.0/16"
  service_cidr = "10.100.0.0/16"
  vxlan_port   = 8472
`
	secretConfig = `  config_wo_version = 3
  config_wo         = "kind: Secret"
`
	key = `  signed_by = [<<END
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
END
  ]
`
)

// TestAccClusterImport: an import is no change, whatever of what counted when the
// cluster was installed the configuration has.
func TestAccClusterImport(t *testing.T) {
	for name, test := range map[string]struct {
		attributes string
		actions    tfjson.Actions
	}{
		"nothing":           {"", tfjson.Actions{tfjson.ActionNoop}},
		"config":            {readable + "  config = \"kind: Secret\"\n", tfjson.Actions{tfjson.ActionNoop}},
		"write-only config": {secretConfig + key, tfjson.Actions{tfjson.ActionNoop}},
		"what has no effect": {
			"  flavor = \"large\"\n  skip_checks = [\"other\"]\n  dns_zones = [\"example.org/10.0.0.54\", \"example.com/10.0.0.53:53\"]\n",
			tfjson.Actions{tfjson.ActionUpdate},
		},
		"another mount": {"  mounts = { data = \"/mnt/other\" }\n", tfjson.Actions{tfjson.ActionDelete, tfjson.ActionCreate}},
		"fewer zones":   {"  dns_zones = [\"example.com/10.0.0.53\"]\n", tfjson.Actions{tfjson.ActionDelete, tfjson.ActionCreate}},
	} {
		t.Run(name, func(t *testing.T) {
			terraformtest.Need(t)
			f, path := newFake(t), writeBundle(t)
			status := f.status()
			status.Cluster.Facts = &report.StatusFacts{
				Bundle: digestOf(t, path), Runtime: "1.37.2", PodNetwork: "10.244.0.0/16", ServiceNetwork: "10.100.0.0/16", VXLANPort: 8472,
				ServiceUser: 1000, ServiceGroup: 1000, CloudProvider: "generic", Installation: installed,
			}
			f.answer("status", status)
			config := fmt.Sprintf("import {\n  to = gravity_cluster.demo\n  id = \"127.0.0.1\"\n}\nresource \"gravity_cluster\" \"demo\" {\n"+
				"  name = \"demo\"\n  advertise_address = \"127.0.0.1\"\n  bundle = %q\n%s}\n", path, test.attributes)
			check := []plancheck.PlanCheck{imports{test.actions}}
			steps := []resource.TestStep{{
				Config: config, PlanOnly: true, ExpectNonEmptyPlan: true, ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPreRefresh: check},
			}}
			if test.actions.NoOp() {
				steps = []resource.TestStep{
					{Config: config, ConfigPlanChecks: resource.ConfigPlanChecks{
						PreApply: check, PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
					}},
					// The machine only pretends to be a master: nothing can be removed from it.
					{Config: "removed {\n  from = gravity_cluster.demo\n  lifecycle {\n    destroy = false\n  }\n}\n"},
				}
			}
			resource.Test(t, resource.TestCase{ProtoV6ProviderFactories: factories(t), Steps: steps})
		})
	}
}

func digestOf(t *testing.T, path string) string {
	t.Helper()
	opened, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	return opened.Digest().String()
}
