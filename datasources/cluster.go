package datasources

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
)

var _ datasource.DataSourceWithConfigure = (*clusterData)(nil)

// clusterData is gravity_cluster: what a living master says of its cluster.
type clusterData struct {
	access *access.Access
}

// NewCluster makes gravity_cluster.
func NewCluster() datasource.DataSource { return &clusterData{} }

// clusterModel is the state of gravity_cluster. The join token of the status is
// not in it.
type clusterModel struct {
	Masters            []cluster.Master `tfsdk:"masters"`
	Name               types.String     `tfsdk:"name"`
	State              types.String     `tfsdk:"state"`
	Reason             types.String     `tfsdk:"reason"`
	Healthy            types.Bool       `tfsdk:"healthy"`
	Application        types.String     `tfsdk:"application"`
	Version            types.String     `tfsdk:"version"`
	KubernetesVersion  types.String     `tfsdk:"kubernetes_version"`
	BundleDigest       types.String     `tfsdk:"bundle_digest"`
	Created            types.String     `tfsdk:"created"`
	Nodes              types.List       `tfsdk:"nodes"`
	CurrentMasters     types.List       `tfsdk:"current_masters"`
	Endpoints          types.Map        `tfsdk:"endpoints"`
	KubernetesEndpoint types.List       `tfsdk:"kubernetes_endpoints"`
}

var (
	texts     = types.ListType{ElemType: types.StringType}
	nodeTypes = map[string]attr.Type{
		"name": types.StringType, "address": types.StringType, "role": types.StringType, "master": types.BoolType,
		"status": types.StringType, "failed_probes": texts, "warnings": texts,
	}
)

func (*clusterData) Metadata(_ context.Context, request datasource.MetadataRequest, response *datasource.MetadataResponse) {
	response.TypeName = request.ProviderTypeName + "_cluster"
}

func (d *clusterData) Configure(_ context.Context, request datasource.ConfigureRequest, response *datasource.ConfigureResponse) {
	if request.ProviderData == nil {
		return
	}
	given, ok := request.ProviderData.(*access.Access)
	if !ok {
		response.Diagnostics.AddError("Unexpected provider data",
			fmt.Sprintf("It is a %T. This is a bug of the provider.", request.ProviderData))
		return
	}
	d.access = given
}

func (*clusterData) Schema(_ context.Context, _ datasource.SchemaRequest, response *datasource.SchemaResponse) {
	text := func(about string) schema.Attribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: about}
	}
	list := func(about string) schema.Attribute {
		return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: about}
	}
	objects := func(about string, attributes map[string]schema.Attribute) schema.Attribute {
		return schema.ListNestedAttribute{
			Computed: true, MarkdownDescription: about, NestedObject: schema.NestedAttributeObject{Attributes: attributes},
		}
	}
	response.Schema = schema.Schema{
		MarkdownDescription: "A cluster that runs, as one of its living masters sees it.",
		Attributes: map[string]schema.Attribute{
			"masters": cluster.DataMasters(),
			"name": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Name of the cluster. If it is given, masters of another cluster are an error.",
			},
			"state":              text("`active`, `degraded`, or what an operation does: `installing`, `expanding`, `shrinking`, `updating`, …"),
			"reason":             text("Why it is degraded; null if it is not."),
			"healthy":            schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether it is active and all its nodes are healthy."},
			"application":        text("Name of the application."),
			"version":            text("Version of the application."),
			"kubernetes_version": text("Version of Kubernetes, such as `1.37.2`."),
			"bundle_digest":      text("Digest of the bundle that is installed: that of `gravity_bundle`."),
			"created":            text("When it was installed (RFC 3339)."),
			"nodes": objects("All nodes, in the order of their addresses.", map[string]schema.Attribute{
				"name": text("Name of the node in Kubernetes."), "address": text("Address at which other nodes reach it."),
				"role":   text("Node profile."),
				"master": schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether it is a master."},
				"status": text("`healthy`, `degraded` or `offline`."), "failed_probes": list("What makes it degraded."),
				"warnings": list("What else its probes found."),
			}),
			"current_masters": objects("The masters that the cluster has now, in the order of their addresses.", map[string]schema.Attribute{
				"address": text("Address at which the other nodes reach it."), "host": text("As in `masters`."),
				"port": schema.Int64Attribute{Computed: true, MarkdownDescription: "As in `masters`."},
				"user": text("As in `masters`."), "host_key": text("As in `masters`."),
			}),
			"endpoints": schema.MapAttribute{
				Computed: true, ElementType: texts, MarkdownDescription: "Addresses of the application, by the names of its endpoints.",
			},
			"kubernetes_endpoints": list("URLs of the masters' Kubernetes API servers."),
		},
	}
}

func (d *clusterData) Read(ctx context.Context, request datasource.ReadRequest, response *datasource.ReadResponse) {
	var model clusterModel
	response.Diagnostics.Append(request.Config.Get(ctx, &model)...)
	if response.Diagnostics.HasError() {
		return
	}
	ctx = d.access.Mask(ctx)
	found, err := cluster.Find(ctx, d.access, model.Name.ValueString(), model.Masters)
	if err != nil {
		response.Diagnostics.AddAttributeError(path.Root("masters"), "Cannot read cluster", access.Detail(err))
		return
	}
	defer found.Release()
	response.Diagnostics.Append(model.describe(ctx, found)...)
	if !response.Diagnostics.HasError() {
		response.Diagnostics.Append(response.State.Set(ctx, &model)...)
	}
}

// describe fills the model with what the master says.
func (m *clusterModel) describe(ctx context.Context, found *cluster.Found) diag.Diagnostics {
	status := &found.Status.Cluster
	m.Name, m.State = types.StringValue(status.Domain), types.StringValue(status.State)
	m.Reason, m.Created = orNull(status.Reason), types.StringNull()
	if !status.Created.IsZero() {
		m.Created = types.StringValue(status.Created.Format(time.RFC3339))
	}
	m.Healthy = types.BoolValue(status.State == "active" && status.SystemStatus == report.SystemRunning)
	m.KubernetesVersion, m.BundleDigest = types.StringNull(), types.StringNull()
	if facts := status.Facts; facts != nil {
		m.KubernetesVersion, m.BundleDigest = orNull(facts.Runtime), orNull(facts.Bundle)
	}
	m.Application, m.Version = types.StringValue(status.Application.Name), types.StringValue(status.Application.Version)
	var all, more diag.Diagnostics
	m.KubernetesEndpoint, all = types.ListValueFrom(ctx, types.StringType, status.Endpoints.Cluster.Kubernetes)
	m.CurrentMasters, more = types.ListValueFrom(ctx, types.ObjectType{AttrTypes: cluster.MasterTypes()}, found.Masters(m.Masters))
	all.Append(more...)
	m.Nodes, more = listNodes(ctx, status.Nodes)
	all.Append(more...)
	m.Endpoints, more = listEndpoints(ctx, status.Endpoints.Applications)
	all.Append(more...)
	return all
}

func orNull(value string) types.String {
	if value == "" {
		return types.StringNull()
	}
	return types.StringValue(value)
}
