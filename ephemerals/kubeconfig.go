package ephemerals

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

var _ ephemeral.EphemeralResourceWithConfigure = (*kubeconfig)(nil)

// kubeconfig is gravity_kubeconfig: a way into the Kubernetes API for a time.
type kubeconfig struct{ reach }

// NewKubeconfig makes gravity_kubeconfig.
func NewKubeconfig() ephemeral.EphemeralResource { return &kubeconfig{} }

type kubeconfigModel struct {
	Masters     []cluster.Master `tfsdk:"masters"`
	Cluster     types.String     `tfsdk:"cluster"`
	User        types.String     `tfsdk:"user"`
	Groups      types.List       `tfsdk:"groups"`
	TTL         types.String     `tfsdk:"ttl"`
	Raw         types.String     `tfsdk:"raw"`
	Host        types.String     `tfsdk:"host"`
	Hosts       types.List       `tfsdk:"hosts"`
	Authority   types.String     `tfsdk:"cluster_ca_certificate"`
	Certificate types.String     `tfsdk:"client_certificate"`
	Key         types.String     `tfsdk:"client_key"`
	Expires     types.String     `tfsdk:"expires"`
}

const (
	defaultKubeconfigLife = "1h"
	// leastKubeconfigLife is the least that clusters sign for.
	leastKubeconfigLife = 10 * time.Minute
	defaultUser         = "terraform"
)

func (*kubeconfig) Metadata(_ context.Context, request ephemeral.MetadataRequest, response *ephemeral.MetadataResponse) {
	response.TypeName = request.ProviderTypeName + "_kubeconfig"
}

func (*kubeconfig) Schema(_ context.Context, _ ephemeral.SchemaRequest, response *ephemeral.SchemaResponse) {
	text := func(about string) schema.Attribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: about}
	}
	response.Schema = schema.Schema{
		MarkdownDescription: "Access to the Kubernetes API of a cluster for a time, such as for the kubernetes and helm providers. " +
			"Each plan and each apply gets a certificate of its own, which cannot be revoked before it expires. " +
			"It leads to the masters themselves, at the addresses where the other nodes reach them.",
		Attributes: map[string]schema.Attribute{
			"masters": cluster.EphemeralMasters(),
			"cluster": clusterAttribute(),
			"user": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Name of the user, as the cluster's audit and role bindings have it; `" + defaultUser + "` by default.",
			},
			"groups": schema.ListAttribute{
				Optional: true, Computed: true, ElementType: types.StringType,
				MarkdownDescription: "Groups of the user, which decide what it may do: `admin`, `edit` and `view` have the roles of these names " +
					"in all namespaces; by default the user may do everything.",
			},
			"ttl":                    lifeAttribute("How long it is good, at least 10 minutes.", defaultKubeconfigLife, leastKubeconfigLife),
			"raw":                    schema.StringAttribute{Computed: true, Sensitive: true, MarkdownDescription: "All of it as a file for kubectl, with a context for each master."},
			"host":                   text("URL of the API server of the master that answered."),
			"hosts":                  schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "URLs of the API servers of all masters."},
			"cluster_ca_certificate": text("Certificate by which the API servers are known (PEM)."),
			"client_certificate":     text("Certificate of the user (PEM)."),
			"client_key":             schema.StringAttribute{Computed: true, Sensitive: true, MarkdownDescription: "Private key of the user (PEM)."},
			"expires":                text("When it expires (RFC 3339)."),
		},
	}
}

func (k *kubeconfig) Open(ctx context.Context, request ephemeral.OpenRequest, response *ephemeral.OpenResponse) {
	var model kubeconfigModel
	response.Diagnostics.Append(request.Config.Get(ctx, &model)...)
	if response.Diagnostics.HasError() {
		return
	}
	ctx = k.access.Mask(ctx)
	found := k.find(ctx, model.Cluster, model.Masters, &response.Diagnostics)
	if found == nil {
		return
	}
	defer found.Release()
	model.User, model.TTL = orDefault(model.User, defaultUser), orDefault(model.TTL, defaultKubeconfigLife)
	args := []string{"kubeconfig", "--user=" + model.User.ValueString(), "--ttl=" + model.TTL.ValueString()}
	var groups []string
	if !model.Groups.IsNull() {
		response.Diagnostics.Append(model.Groups.ElementsAs(ctx, &groups, false)...)
	}
	for _, group := range groups {
		args = append(args, "--group="+group)
	}
	made, err := node.Query[report.Kubeconfig](ctx, found.Node, args...)
	if err != nil {
		response.Diagnostics.AddError("Cannot make kubeconfig", access.Detail(err))
		return
	}
	response.Diagnostics.Append(model.take(ctx, &made)...)
	response.Diagnostics.Append(response.Result.Set(ctx, &model)...)
}

// take fills the model with what the cluster made.
func (m *kubeconfigModel) take(ctx context.Context, made *report.Kubeconfig) diag.Diagnostics {
	m.Cluster = types.StringValue(made.Cluster)
	m.Raw, m.Authority = types.StringValue(made.Kubeconfig), types.StringValue(made.CertificateAuthority)
	m.Certificate, m.Key = types.StringValue(made.ClientCertificate), types.StringValue(made.ClientKey)
	m.Expires = types.StringValue(made.Expires.Format(time.RFC3339))
	m.Host = types.StringNull()
	if len(made.Servers) > 0 {
		m.Host = types.StringValue(made.Servers[0])
	}
	var diagnostics, more diag.Diagnostics
	m.Hosts, diagnostics = types.ListValueFrom(ctx, types.StringType, made.Servers)
	if m.Groups.IsNull() {
		m.Groups, more = types.ListValueFrom(ctx, types.StringType, made.Groups)
	}
	return append(diagnostics, more...)
}
