package ephemerals

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
)

// reach is what all of them have: a way to the machines. It is nil while
// Terraform only validates.
type reach struct {
	access *access.Access
}

func (r *reach) Configure(_ context.Context, request ephemeral.ConfigureRequest, response *ephemeral.ConfigureResponse) {
	if request.ProviderData == nil {
		return
	}
	given, ok := request.ProviderData.(*access.Access)
	if !ok {
		response.Diagnostics.AddError("Unexpected provider data",
			fmt.Sprintf("It is a %T. This is a bug of the provider.", request.ProviderData))
		return
	}
	r.access = given
}

// clusterAttribute names the cluster.
func clusterAttribute() schema.Attribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "Name of the cluster. If it is given, masters of another cluster are an error.",
	}
}

// find finds a living master; a null name stands for any cluster.
func (r *reach) find(ctx context.Context, name types.String, masters []cluster.Master, diagnostics *diag.Diagnostics) *cluster.Found {
	found, err := cluster.Find(ctx, r.access, name.ValueString(), masters)
	if err != nil {
		diagnostics.AddAttributeError(path.Root("masters"), "Cannot reach cluster", access.Detail(err))
		return nil
	}
	return found
}

// lifeAttribute is how long what is made is good. Ephemeral resources have no
// defaults, so life has it.
func lifeAttribute(about, otherwise string, least time.Duration) schema.Attribute {
	return schema.StringAttribute{
		Optional: true, Computed: true, Validators: []validator.String{life{least}},
		MarkdownDescription: about + " Such as `30m`; `" + otherwise + "` by default.",
	}
}

// life wants a time to live that is long enough.
type life struct {
	least time.Duration
}

func (l life) Description(context.Context) string {
	return fmt.Sprintf("a duration of at least %s, such as 30m", l.least)
}

func (l life) MarkdownDescription(ctx context.Context) string { return l.Description(ctx) }

func (l life) ValidateString(ctx context.Context, request validator.StringRequest, response *validator.StringResponse) {
	if request.ConfigValue.IsNull() || request.ConfigValue.IsUnknown() {
		return
	}
	if given, err := time.ParseDuration(request.ConfigValue.ValueString()); err != nil || given < l.least {
		response.Diagnostics.AddAttributeError(request.Path, "Invalid time to live",
			fmt.Sprintf("%q is not %s.", request.ConfigValue.ValueString(), l.Description(ctx)))
	}
}

// orDefault is a value, or the default of an attribute that is not given.
func orDefault(value types.String, otherwise string) types.String {
	if value.IsNull() || value.IsUnknown() {
		return types.StringValue(otherwise)
	}
	return value
}
