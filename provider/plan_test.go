package provider_test

import (
	"fmt"
	"io"
	"log" //nolint:depguard // what servers of the library take
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/provider/terraformtest"
)

// signBundle signs a bundle and returns the public key.
func signBundle(t *testing.T, path string) string {
	t.Helper()
	key, err := signature.Generate(signature.ECDSAP256)
	if err == nil {
		_, err = bundle.Sign(t.Context(), path, []signature.PrivateKey{key}, bundle.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(key.Public().Encode())
}

// pushBundle pushes a bundle to a registry in this process, as HOST/team/shop:1.2.3,
// and returns that and the digest in the registry.
func pushBundle(t *testing.T, path string, secure bool) (reference, digest string) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv(cachedir.Variable, t.TempDir())
	quiet := log.New(io.Discard, "", 0)
	server := httptest.NewUnstartedServer(registry.New(registry.Logger(quiet)))
	server.Config.ErrorLog = quiet
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	opened, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	host := server.Listener.Addr().String()
	connection := hub.Connect(hub.Options{Insecure: []string{host}})
	defer connection.Close()
	pushed, err := connection.Push(t.Context(), opened, host+"/team", false)
	if err != nil {
		t.Fatal(err)
	}
	return pushed.Reference, pushed.Digest.String()
}

// TestAccClusterPlan: what is wrong with a bundle, or chosen and not in it, is told at
// plan time with its place and what to do.
func TestAccClusterPlan(t *testing.T) {
	terraformtest.Need(t)
	unsigned, signed := writeBundle(t), writeBundle(t)
	key, stranger := signBundle(t, signed), signBundle(t, writeBundle(t))
	digest := digestOf(t, signed)
	plain, exact := pushBundle(t, signed, false)
	secure, _ := pushBundle(t, signed, true)
	host, _, _ := strings.Cut(secure, "/")
	exact = strings.TrimSuffix(plain, ":1.2.3") + "@" + exact
	with := func(bundle, more string) string {
		return fmt.Sprintf("resource \"gravity_cluster\" \"shop\" {\n  name = \"shop\"\n  advertise_address = \"192.0.2.1\"\n  bundle = %q\n%s\n}\n", bundle, more)
	}
	by := func(key string) string { return fmt.Sprintf("  signed_by = [%q]", key) }
	refused := func(config, want string) resource.TestStep {
		return resource.TestStep{Config: config, PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)` + strings.ReplaceAll(want, " ", `\s+`))}
	}
	accepted := func(config string) resource.TestStep {
		return resource.TestStep{Config: config, PlanOnly: true, ExpectNonEmptyPlan: true, ConfigPlanChecks: resource.ConfigPlanChecks{
			PostApplyPreRefresh: []plancheck.PlanCheck{
				plancheck.ExpectKnownValue("gravity_cluster.shop", tfjsonpath.New("bundle_digest"), knownvalue.StringExact(digest)),
				plancheck.ExpectUnknownValue("gravity_cluster.shop", tfjsonpath.New("endpoints")),
				plancheck.ExpectUnknownValue("gravity_cluster.shop", tfjsonpath.New("nodes")),
			},
		}}
	}
	trusting := fmt.Sprintf("provider \"gravity\" {\n  insecure_hubs = [%q]\n}\n", host)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(t),
		Steps: []resource.TestStep{
			accepted(with(signed, by(key)+"\n  role = \"node\"")),
			accepted(with("oci://"+plain, by(key))),
			accepted(with("oci://"+exact, by(key))),
			accepted(trusting + with("oci://"+secure, by(key))),
			refused(with("oci://"+secure, ""), `Cannot read bundle.*insecure_hubs`),
			refused(with("oci://"+plain, by(stranger)), `Bundle is not trusted.*it is signed by.*To do`),
			refused(with(unsigned, by(key)), `Bundle is not trusted.*it has no signature.*To do`),
			refused(with(signed, "  signed_by = [\"release.pub\"]"), `It is no public key.*To do.*file\(`),
			refused(with(signed, "  signed_by = []"), `No keys.*would accept every bundle`),
			refused(with(signed, "  role = \"nodes\""), `Unknown node profile.*did you mean "node"\?`),
			refused(with(signed, "  flavor = \"small\""), `Unknown flavor.*It has: default.*To do`),
		},
	})
}
