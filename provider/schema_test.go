package provider_test

import (
	"maps"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/gravity-platform/terraform-provider-gravity/provider"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

// TestSchema: every attribute is described, and no secret shows.
func TestSchema(t *testing.T) {
	pool := connection.NewPool(connection.PoolOptions{})
	t.Cleanup(pool.Close)
	server := providerserver.NewProtocol6(provider.New("1.2.3", pool))()
	response, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range response.Diagnostics {
		t.Errorf("%s: %s", problem.Summary, problem.Detail)
	}
	schemas := map[string]*tfprotov6.Schema{"provider": response.Provider}
	maps.Copy(schemas, response.DataSourceSchemas)
	maps.Copy(schemas, response.ResourceSchemas)
	maps.Copy(schemas, response.EphemeralResourceSchemas)
	for name, schema := range schemas {
		if schema.Block.Description == "" {
			t.Errorf("%s has no description", name)
		}
		checkAttributes(t, name, schema.Block.Attributes)
	}
	secrets := 0
	for _, parent := range response.Provider.Block.Attributes {
		if parent.Name != "ssh" {
			continue
		}
		for _, attribute := range parent.NestedType.Attributes {
			if attribute.Sensitive {
				secrets++
			}
		}
	}
	if secrets != 6 {
		t.Errorf("ssh has %d secrets", secrets)
	}
}

func checkAttributes(t *testing.T, parent string, attributes []*tfprotov6.SchemaAttribute) {
	t.Helper()
	for _, attribute := range attributes {
		name := parent + "." + attribute.Name
		if attribute.Description == "" {
			t.Errorf("%s has no description", name)
		}
		if attribute.NestedType != nil {
			checkAttributes(t, name, attribute.NestedType.Attributes)
		}
	}
}
