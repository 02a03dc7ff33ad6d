// Package datasources has the data sources of the Terraform provider.
package datasources

import (
	"context"
	"errors"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/bundles"
)

// bundleData is gravity_bundle: what is in a bundle that lies here. It needs no
// cluster.
type bundleData struct{ hubs bundles.Hubs }

// NewBundle makes gravity_bundle.
func NewBundle() datasource.DataSource { return &bundleData{} }

// bundleModel is the state of gravity_bundle.
type bundleModel struct {
	Path              types.String `tfsdk:"path"`
	Name              types.String `tfsdk:"name"`
	Version           types.String `tfsdk:"version"`
	Digest            types.String `tfsdk:"digest"`
	KubernetesVersion types.String `tfsdk:"kubernetes_version"`
	EmbeddedVersions  types.List   `tfsdk:"embedded_kubernetes_versions"`
	Platform          types.String `tfsdk:"platform"`
	Images            types.List   `tfsdk:"images"`
	Size              types.Int64  `tfsdk:"size"`
}

// imageTypes are those of an element of images.
var imageTypes = map[string]attr.Type{"reference": types.StringType, "digest": types.StringType}

func (*bundleData) Metadata(_ context.Context, request datasource.MetadataRequest, response *datasource.MetadataResponse) {
	response.TypeName = request.ProviderTypeName + "_bundle"
}

func (*bundleData) Schema(_ context.Context, _ datasource.SchemaRequest, response *datasource.SchemaResponse) {
	text := func(about string) schema.Attribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: about}
	}
	response.Schema = schema.Schema{
		MarkdownDescription: "What is in a bundle that lies where Terraform runs, or in a hub. Only its index is read, which takes " +
			"milliseconds, or a few requests, however large it is; `tele verify` checks all of it.",
		Attributes: map[string]schema.Attribute{
			"path": schema.StringAttribute{
				Required: true, MarkdownDescription: "Path of the bundle, or of the folder that it was extracted to, or `oci://HOST/PATH/NAME:VERSION` for one in a hub.",
			},
			"name":    text("Name of the application."),
			"version": text("Version of the application."),
			"digest": text("Digest of the bundle's index, such as `sha256:…`. It identifies the content: two bundles with the same digest " +
				"are the same, wherever they lie."),
			"kubernetes_version": text("Version of Kubernetes that is installed; null in a bundle for clusters that exist already."),
			"embedded_kubernetes_versions": schema.ListAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "Versions of Kubernetes that upgrades step through, in their order.",
			},
			"platform": text("Operating system and architecture of the machines, such as `linux/amd64`."),
			"images": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "Images of the application, sorted by reference.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"reference": text("Name by which the application asks for the image."),
					"digest":    text("Digest of the image's manifest or index."),
				}},
			},
			"size": schema.Int64Attribute{Computed: true, MarkdownDescription: "Length of the file in bytes; of a folder, the sum of its entries; null for one in a hub."},
		},
	}
}

func (b *bundleData) Configure(_ context.Context, request datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	if reach, ok := request.ProviderData.(*access.Access); ok { // nothing while Terraform validates
		b.hubs.Insecure = reach.InsecureHubs
	}
}

func (b *bundleData) Read(ctx context.Context, request datasource.ReadRequest, response *datasource.ReadResponse) {
	var model bundleModel
	response.Diagnostics.Append(request.Config.Get(ctx, &model)...)
	if response.Diagnostics.HasError() {
		return
	}
	response.Diagnostics.Append(b.read(ctx, &model)...)
	if !response.Diagnostics.HasError() {
		response.Diagnostics.Append(response.State.Set(ctx, &model)...)
	}
}

// read fills the model with what a file says, or a hub.
func (b *bundleData) read(ctx context.Context, m *bundleModel) diag.Diagnostics {
	failed := func(err error) diag.Diagnostics {
		return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root("path"), "Cannot read bundle", access.Detail(err))}
	}
	name := m.Path.ValueString()
	if reference, ok := bundles.InHub(name); ok {
		seen, err := b.hubs.Look(ctx, reference)
		if err != nil {
			return failed(err)
		}
		m.Size = types.Int64Null()
		return m.describe(ctx, seen.Index, seen.Digest)
	}
	opened, err := bundle.Open(name)
	if err != nil {
		return failed(explain(err))
	}
	defer opened.Close()
	m.Size = types.Int64Value(opened.Size())
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		m.Size = types.Int64Value(info.Size())
	}
	return m.describe(ctx, opened.Index(), opened.Digest())
}

// explain says what to do about a path that is no bundle.
func explain(err error) error {
	switch {
	case len(cli.Hints(err)) > 0:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return cli.WithHint(err, "paths begin at the directory in which Terraform runs; path.module is the module's")
	case errors.Is(err, fs.ErrPermission):
		return cli.WithHint(err, "whoever runs Terraform must be able to read it")
	default:
		return cli.WithHint(err, "a bundle is a file that 'tele build' wrote; 'tele verify' tells more about a damaged one")
	}
}

// describe fills the model with what the index says.
func (m *bundleModel) describe(ctx context.Context, index *bundle.Index, digest v1.Hash) diag.Diagnostics {
	m.Name, m.Version = types.StringValue(index.Name), types.StringValue(index.Version)
	m.Digest = types.StringValue(digest.String())
	m.Platform = types.StringValue(index.Platform.String())
	embedded := []string{}
	m.KubernetesVersion = types.StringNull()
	for _, runtime := range index.Runtimes {
		if runtime.Embedded {
			embedded = append(embedded, runtime.Version)
		} else {
			m.KubernetesVersion = types.StringValue(runtime.Version)
		}
	}
	images := []attr.Value{}
	for _, image := range index.Images {
		images = append(images, types.ObjectValueMust(imageTypes, map[string]attr.Value{
			"reference": types.StringValue(image.Reference), "digest": types.StringValue(image.Descriptor.Digest.String()),
		}))
	}
	var diagnostics, more diag.Diagnostics
	m.EmbeddedVersions, diagnostics = types.ListValueFrom(ctx, types.StringType, embedded)
	m.Images, more = types.ListValue(types.ObjectType{AttrTypes: imageTypes}, images)
	return append(diagnostics, more...)
}
