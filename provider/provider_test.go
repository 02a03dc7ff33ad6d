package provider_test

import (
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/provider"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
	"github.com/gravity-platform/terraform-provider-gravity/provider/terraformtest"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// factories serve the provider in this process.
func factories(t *testing.T) map[string]func() (tfprotov6.ProviderServer, error) {
	pool := connection.NewPool(connection.PoolOptions{})
	t.Cleanup(pool.Close)
	return map[string]func() (tfprotov6.ProviderServer, error){
		"gravity": providerserver.NewProtocol6WithError(provider.New("1.2.3", pool)),
	}
}

// writeBundle makes a small bundle.
func writeBundle(t *testing.T) string {
	t.Helper()
	blobs := bundle.Memory{}
	add := func(mediaType types.MediaType, content string) v1.Descriptor {
		descriptor := blobs.Add([]byte(content))
		descriptor.MediaType = mediaType
		return descriptor
	}
	index := func(artifactType string) v1.Descriptor {
		descriptor := add(types.OCIImageIndex, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"`+
			artifactType+`","manifests":[]}`)
		descriptor.ArtifactType = artifactType
		return descriptor
	}
	settings := add(types.OCIConfigJSON, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	image := add(types.OCIManifestSchema1, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"`+
		string(settings.MediaType)+`","digest":"`+settings.Digest.String()+`","size":`+jsonSize(settings)+`},"layers":[]}`)
	program := blobs.Add([]byte("#!/bin/sh\n"))
	path := filepath.Join(t.TempDir(), "shop.tar")
	_, err := bundle.Write(t.Context(), path, bundle.Contents{
		Name: "shop", Version: "1.2.3", Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Manifest: []byte("apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata: {name: shop, resourceVersion: 1.2.3}\n"),
		Images:   []bundle.Image{{Reference: "docker.io/library/web:2", Descriptor: image}},
		Runtimes: []bundle.Runtime{{Version: "1.37.2", Descriptor: index(runtime.ArtifactType)}},
		Gravity:  &program, Source: blobs,
	}, bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAccBundle(t *testing.T) {
	terraformtest.Need(t)
	path := writeBundle(t)
	opened, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(other, []byte(strings.Repeat("not a bundle\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	data := func(path string) string { return "data \"gravity_bundle\" \"shop\" {\n  path = \"" + path + "\"\n}\n" }
	value := func(name string, want knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.gravity_bundle.shop", tfjsonpath.New(name), want)
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(t),
		Steps: []resource.TestStep{
			{Config: data(path), ConfigStateChecks: []statecheck.StateCheck{
				value("name", knownvalue.StringExact("shop")),
				value("version", knownvalue.StringExact("1.2.3")),
				value("digest", knownvalue.StringExact(opened.Digest().String())),
				value("kubernetes_version", knownvalue.StringExact("1.37.2")),
				value("embedded_kubernetes_versions", knownvalue.ListSizeExact(0)),
				value("platform", knownvalue.StringExact("linux/amd64")),
				value("size", knownvalue.Int64Exact(info.Size())),
				value("images", knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectExact(map[string]knownvalue.Check{
					"reference": knownvalue.StringExact("docker.io/library/web:2"),
					"digest":    knownvalue.StringExact(opened.Index().Images[0].Descriptor.Digest.String()),
				})})),
			}},
			{Config: data(other), ExpectError: regexp.MustCompile(`(?s)Cannot read bundle.*notes\.txt.*tele build`)},
			{Config: data(other + ".missing"), ExpectError: regexp.MustCompile(`(?s)Cannot read bundle.*no such file.*path\.module`)},
		},
	})
}

// TestAccBundleInHub reads a bundle's index from a hub.
func TestAccBundleInHub(t *testing.T) {
	terraformtest.Need(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv(cachedir.Variable, t.TempDir())
	served := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
	defer served.Close()
	host := served.Listener.Addr().String()
	opened, err := bundle.Open(writeBundle(t))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	connection := hub.Connect(hub.Options{Insecure: []string{host}})
	defer connection.Close()
	if _, err := connection.Push(t.Context(), opened, host+"/team", false); err != nil {
		t.Fatal(err)
	}
	data := func(name string) string {
		return "provider \"gravity\" {\n  insecure_hubs = [\"" + host + "\"]\n}\n" +
			"data \"gravity_bundle\" \"shop\" {\n  path = \"oci://" + host + "/team/" + name + "\"\n}\n"
	}
	value := func(name string, want knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.gravity_bundle.shop", tfjsonpath.New(name), want)
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(t),
		Steps: []resource.TestStep{
			{Config: data("shop:1.2.3"), ConfigStateChecks: []statecheck.StateCheck{
				value("version", knownvalue.StringExact("1.2.3")),
				value("digest", knownvalue.StringExact(opened.Digest().String())),
				value("kubernetes_version", knownvalue.StringExact("1.37.2")),
				value("images", knownvalue.ListSizeExact(1)),
				value("size", knownvalue.Null()),
			}},
			{Config: data("shop:1.2.4"), ExpectError: regexp.MustCompile(`(?s)Cannot read bundle.*shop:1\.2\.4.*tele ls`)},
		},
	})
}

// TestAccSettings: what is wrong is told at plan time with its place, and what is
// not known yet is not wrong.
func TestAccSettings(t *testing.T) {
	terraformtest.Need(t)
	path := writeBundle(t)
	_, private := sshtest.Key(t)
	with := func(ssh string) string {
		return "provider \"gravity\" {\n  ssh = {\n" + ssh + "\n  }\n}\n" +
			"data \"gravity_bundle\" \"shop\" {\n  path = \"" + path + "\"\n}\n"
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(t),
		Steps: []resource.TestStep{
			{Config: with("private_key = \"~/.ssh/id\""), ExpectError: regexp.MustCompile(`(?s)Invalid SSH setting.*private_key.*file\(`)},
			{Config: with("timeout = \"5\""), ExpectError: regexp.MustCompile(`(?s)Invalid SSH setting.*timeout.*5m`)},
			{Config: with("port = 70000"), ExpectError: regexp.MustCompile(`(?s)Invalid SSH setting.*70000`)},
			{Config: with("host_key = \"SHA256:abc\""), ExpectError: regexp.MustCompile(`(?s)Invalid SSH setting.*host_key`)},
			{
				Config: "resource \"terraform_data\" \"machine\" {\n  input = \"192.0.2.1\"\n}\n" +
					with("host = terraform_data.machine.output\n  port = length(terraform_data.machine.id)\n  private_key = <<EOF\n"+private+"EOF"),
			},
		},
	})
}

// TestAccSecrets: nothing that Terraform or the provider writes down has a secret.
func TestAccSecrets(t *testing.T) {
	terraformtest.Need(t)
	path := writeBundle(t)
	_, private := sshtest.Key(t)
	// Random, since the sources of this test are in what is searched.
	password, passphrase, environment := rand.Text(), rand.Text(), rand.Text()
	s := newSearch(t)
	t.Setenv("TF_GRAVITY_SSH_BASTION_PASSWORD", environment)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(t),
		Steps: []resource.TestStep{{Config: `
variable "secrets" {
  type      = object({ password = string, passphrase = string, key = string })
  sensitive = true
}
provider "gravity" {
  ssh = {
    host                   = "192.0.2.1"
    password               = var.secrets.password
    private_key            = var.secrets.key
    private_key_passphrase = var.secrets.passphrase
  }
}
data "gravity_bundle" "shop" {
  path = "` + path + `"
}
`, ConfigVariables: variables(password, passphrase, private)}},
	})
	s.check(password, passphrase, environment, strings.Split(private, "\n")[2])
}

func jsonSize(descriptor v1.Descriptor) string { return strconv.FormatInt(descriptor.Size, 10) }

func variables(password, passphrase, key string) config.Variables {
	return config.Variables{"secrets": config.ObjectVariable(map[string]config.Variable{
		"password": config.StringVariable(password), "passphrase": config.StringVariable(passphrase), "key": config.StringVariable(key),
	})}
}
