// Command schema prints the provider's schema as `terraform providers schema
// -json` does, for the generator of its documentation: which then needs no
// Terraform, and says the same whichever there is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
	"github.com/gravity-platform/terraform-provider-gravity/provider"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

func main() {
	os.Exit(cli.Run(&cobra.Command{
		Use:   "schema",
		Short: "Print the provider's schema as Terraform's JSON",
		RunE: func(command *cobra.Command, _ []string) error {
			found, err := read(command.Context())
			if err != nil {
				return err
			}
			return cli.PrintJSON(command.OutOrStdout(), found)
		},
	}))
}

// object is an object in JSON.
type object = map[string]any

// read asks the provider for its schemas.
func read(ctx context.Context) (object, error) {
	pool := connection.NewPool(connection.PoolOptions{})
	defer pool.Close()
	server := providerserver.NewProtocol6(provider.New(version.Get().Version, pool))()
	schemas, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, err
	}
	identities, err := server.GetResourceIdentitySchemas(ctx, &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		return nil, err
	}
	for _, problem := range append(schemas.Diagnostics, identities.Diagnostics...) {
		err = errors.Join(err, fmt.Errorf("%s: %s", problem.Summary, problem.Detail))
	}
	if err != nil {
		return nil, err
	}
	described := object{
		"provider": describe(schemas.Provider), "resource_schemas": describeAll(schemas.ResourceSchemas),
		"data_source_schemas": describeAll(schemas.DataSourceSchemas), "ephemeral_resource_schemas": describeAll(schemas.EphemeralResourceSchemas),
	}
	if len(identities.IdentitySchemas) > 0 {
		described["resource_identity_schemas"] = describeIdentities(identities.IdentitySchemas)
	}
	return object{"format_version": "1.0", "provider_schemas": object{"gravity": described}}, nil
}

func describeAll(schemas map[string]*tfprotov6.Schema) object {
	all := object{}
	for name, schema := range schemas {
		all[name] = describe(schema)
	}
	return all
}

func describe(schema *tfprotov6.Schema) object {
	return object{"version": schema.Version, "block": describeBlock(schema.Block)}
}

func describeBlock(block *tfprotov6.SchemaBlock) object {
	nested := object{}
	for _, inner := range block.BlockTypes {
		nested[inner.TypeName] = object{
			"nesting_mode": strings.ToLower(inner.Nesting.String()), "block": describeBlock(inner.Block),
			"min_items": inner.MinItems, "max_items": inner.MaxItems,
		}
	}
	return object{
		"attributes": describeAttributes(block.Attributes), "block_types": nested, "description": block.Description,
		"description_kind": "markdown", "deprecated": block.Deprecated,
	}
}

func describeAttributes(attributes []*tfprotov6.SchemaAttribute) object {
	all := object{}
	for _, a := range attributes {
		described := object{
			"description": a.Description, "description_kind": "markdown", "deprecated": a.Deprecated, "required": a.Required,
			"optional": a.Optional, "computed": a.Computed, "sensitive": a.Sensitive, "write_only": a.WriteOnly,
		}
		if a.NestedType != nil {
			described["nested_type"] = object{
				"attributes": describeAttributes(a.NestedType.Attributes), "nesting_mode": strings.ToLower(a.NestedType.Nesting.String()),
			}
		} else {
			described["type"] = a.Type
		}
		all[a.Name] = described
	}
	return all
}

func describeIdentities(identities map[string]*tfprotov6.ResourceIdentitySchema) object {
	all := object{}
	for name, identity := range identities {
		attributes := object{}
		for _, a := range identity.IdentityAttributes {
			attributes[a.Name] = object{
				"type": a.Type, "description": a.Description,
				"required_for_import": a.RequiredForImport, "optional_for_import": a.OptionalForImport,
			}
		}
		all[name] = object{"version": identity.Version, "attributes": attributes}
	}
	return all
}
