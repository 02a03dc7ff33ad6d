// Package provider is the Terraform provider: its configuration, and the list of
// what it offers.
package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/datasources"
	"github.com/gravity-platform/terraform-provider-gravity/ephemerals"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/resources/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/resources/node"
)

// Address is the provider's name in Terraform's registry.
const Address = "registry.terraform.io/gravity-platform/gravity"

var (
	_ provider.Provider                       = (*gravityProvider)(nil)
	_ provider.ProviderWithValidateConfig     = (*gravityProvider)(nil)
	_ provider.ProviderWithEphemeralResources = (*gravityProvider)(nil)
)

// gravityProvider is one per process. Connections outlive a configuration, since
// Terraform may configure it several times.
type gravityProvider struct {
	version string
	pool    *connection.Pool
}

// New makes the provider of a version. Connections of the pool belong to the
// caller.
func New(version string, pool *connection.Pool) provider.Provider {
	return &gravityProvider{version: version, pool: pool}
}

// model is the provider's configuration. ssh is an object, since it may be
// unknown as a whole.
type model struct {
	SSH          types.Object `tfsdk:"ssh"`
	InsecureHubs types.List   `tfsdk:"insecure_hubs"`
}

func (p *gravityProvider) Metadata(_ context.Context, _ provider.MetadataRequest, response *provider.MetadataResponse) {
	response.TypeName = "gravity"
	response.Version = p.version
}

func (p *gravityProvider) Schema(_ context.Context, _ provider.SchemaRequest, response *provider.SchemaResponse) {
	response.Schema = schema.Schema{
		MarkdownDescription: "Installs and runs Gravity clusters: Kubernetes and an application from one file, on machines without internet. " +
			"The provider works over SSH, with the `gravity` of the machines.",
		Attributes: map[string]schema.Attribute{
			"ssh": access.ProviderAttribute(),
			"insecure_hubs": schema.ListAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Hosts of hubs, such as `hub.local:5000`, that may speak HTTP, or have certificates that nobody vouches for. " +
					"Credentials for hubs are those of docker.",
			},
		},
	}
}

// ValidateConfig finds at plan time what is wrong with what is known.
func (p *gravityProvider) ValidateConfig(ctx context.Context, request provider.ValidateConfigRequest, response *provider.ValidateConfigResponse) {
	var config model
	response.Diagnostics.Append(request.Config.Get(ctx, &config)...)
	if response.Diagnostics.HasError() {
		return
	}
	access.AddProblems(&response.Diagnostics, access.NewSettings(config.SSH).Check())
}

// Configure neither connects nor needs to know everything: what is unknown is an
// error of the resource that needs it.
func (p *gravityProvider) Configure(ctx context.Context, request provider.ConfigureRequest, response *provider.ConfigureResponse) {
	var config model
	response.Diagnostics.Append(request.Config.Get(ctx, &config)...)
	if response.Diagnostics.HasError() {
		return
	}
	settings := access.NewSettings(config.SSH)
	ctx = settings.Mask(ctx)
	tflog.Debug(ctx, "configured", map[string]any{"version": p.version})
	reach := access.New(settings, p.pool)
	for _, element := range config.InsecureHubs.Elements() {
		if host, ok := element.(types.String); ok && !host.IsUnknown() {
			reach.InsecureHubs = append(reach.InsecureHubs, host.ValueString())
		}
	}
	response.ResourceData = reach
	response.DataSourceData = reach
	response.EphemeralResourceData = reach
}

func (p *gravityProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{cluster.New, node.New}
}

func (p *gravityProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{datasources.NewBundle, datasources.NewCluster}
}

func (p *gravityProvider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{ephemerals.NewJoinToken, ephemerals.NewKubeconfig}
}
