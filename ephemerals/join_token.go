package ephemerals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

var (
	_ ephemeral.EphemeralResourceWithConfigure = (*joinToken)(nil)
	_ ephemeral.EphemeralResourceWithClose     = (*joinToken)(nil)
)

// joinToken is gravity_join_token: a token by which machines join, as long as
// Terraform runs.
type joinToken struct{ reach }

// NewJoinToken makes gravity_join_token.
func NewJoinToken() ephemeral.EphemeralResource { return &joinToken{} }

type joinTokenModel struct {
	Masters []cluster.Master `tfsdk:"masters"`
	Cluster types.String     `tfsdk:"cluster"`
	TTL     types.String     `tfsdk:"ttl"`
	ID      types.String     `tfsdk:"id"`
	Token   types.String     `tfsdk:"token"`
	Expires types.String     `tfsdk:"expires"`
}

// defaultTokenLife is as long as the longest apply with joins may be.
const defaultTokenLife = "1h"

func (*joinToken) Metadata(_ context.Context, request ephemeral.MetadataRequest, response *ephemeral.MetadataResponse) {
	response.TypeName = request.ProviderTypeName + "_join_token"
}

func (*joinToken) Schema(_ context.Context, _ ephemeral.SchemaRequest, response *ephemeral.SchemaResponse) {
	response.Schema = schema.Schema{
		MarkdownDescription: "A token by which machines join a cluster while Terraform runs: for what makes machines that run " +
			"`gravity join` themselves, by a write-only argument or a provisioner. It is revoked when Terraform is done with it, and " +
			"expires otherwise. `gravity_node` needs none: it makes its own.",
		Attributes: map[string]schema.Attribute{
			"masters": cluster.EphemeralMasters(),
			"cluster": clusterAttribute(),
			"ttl":     lifeAttribute("How long the token is good if Terraform does not come to revoke it.", defaultTokenLife, time.Minute),
			"id":      schema.StringAttribute{Computed: true, MarkdownDescription: "Name of the token in `gravity token ls`; it is no secret."},
			"token":   schema.StringAttribute{Computed: true, Sensitive: true, MarkdownDescription: "The token: the secret for `gravity join --token`."},
			"expires": schema.StringAttribute{Computed: true, MarkdownDescription: "When the token expires (RFC 3339)."},
		},
	}
}

func (j *joinToken) Open(ctx context.Context, request ephemeral.OpenRequest, response *ephemeral.OpenResponse) {
	var model joinTokenModel
	response.Diagnostics.Append(request.Config.Get(ctx, &model)...)
	if response.Diagnostics.HasError() {
		return
	}
	ctx = j.access.Mask(ctx)
	found := j.find(ctx, model.Cluster, model.Masters, &response.Diagnostics)
	if found == nil {
		return
	}
	defer found.Release()
	model.TTL = orDefault(model.TTL, defaultTokenLife)
	made, err := node.Query[report.JoinToken](ctx, found.Node, "token", "create", "--ttl="+model.TTL.ValueString())
	if err != nil {
		response.Diagnostics.AddError("Cannot make join token", access.Detail(err))
		return
	}
	model.Cluster = types.StringValue(found.Status.Cluster.Domain)
	model.ID, model.Token = types.StringValue(made.ID), types.StringValue(made.Token)
	model.Expires = types.StringValue(made.Expires.Format(time.RFC3339))
	response.Diagnostics.Append(response.Result.Set(ctx, &model)...)
	opened := openedToken{ID: made.ID, Cluster: found.Status.Cluster.Domain, Expires: made.Expires, Masters: found.Masters(model.Masters)}
	content, err := json.Marshal(opened.plain())
	if err != nil {
		response.Diagnostics.AddError("Cannot keep join token", access.Detail(err))
		return
	}
	response.Diagnostics.Append(response.Private.SetKey(ctx, openedKey, content)...)
}

// Close revokes the token. Terraform is done by then, and the token ends by
// itself: that it cannot be revoked is a warning.
func (j *joinToken) Close(ctx context.Context, request ephemeral.CloseRequest, response *ephemeral.CloseResponse) {
	ctx = j.access.Mask(ctx)
	content, diagnostics := request.Private.GetKey(ctx, openedKey)
	response.Diagnostics.Append(diagnostics...)
	if len(content) == 0 {
		return
	}
	opened, err := readOpened(content)
	if err == nil {
		err = j.revoke(ctx, opened)
	}
	if err != nil {
		response.Diagnostics.AddWarning("Join token is not revoked",
			fmt.Sprintf("It expires at %s. To revoke it now, run 'gravity token rm %s' on a master.\n\n%s",
				opened.Expires.Format(time.RFC3339), opened.ID, access.Detail(err)))
	}
}

// closeTimeout is how long masters are tried: Terraform waits for it.
const closeTimeout = time.Minute

func (j *joinToken) revoke(ctx context.Context, opened *openedToken) error {
	ctx, cancel := context.WithTimeoutCause(ctx, closeTimeout, fmt.Errorf("no answer after %s", closeTimeout))
	defer cancel()
	found, err := cluster.Find(ctx, j.access, opened.Cluster, opened.Masters)
	if err != nil {
		return err
	}
	defer found.Release()
	tflog.Debug(ctx, "revoke join token", map[string]any{"id": opened.ID})
	err = found.Node.Do(ctx, "token", "rm", opened.ID)
	if said, ok := errors.AsType[*node.GravityError](err); ok && strings.Contains(said.Message, unknownToken) {
		return nil
	}
	return err
}

// unknownToken is what gravity says of a token that somebody has revoked.
const unknownToken = "there is no join token"
