package node

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/boolplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/attribute"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
)

// schemaVersion is that of the state. What an older one becomes is in upgrade.go.
const schemaVersion = 1

// What on_destroy may be.
const (
	destroyLeave   = "leave"
	destroyForce   = "force"
	destroyAbandon = "abandon"
)

func (r *nodeResource) Schema(ctx context.Context, _ resource.SchemaRequest, response *resource.SchemaResponse) {
	limits, _ := timeouts.Attributes(ctx, timeouts.Opts{
		Create: true, Update: true, Delete: true,
		CreateDescription: "How long the join may take, `30m` by default. Waiting for other nodes does not count.",
		UpdateDescription: "How long an update may wait for a join that has not ended, or recover a node, `30m` by default.",
		DeleteDescription: "How long the removal may take, `20m` by default. Waiting for other nodes does not count.",
	}).(schema.SingleNestedAttribute)
	limits.MarkdownDescription = "How long operations may take, as `30m` or `1h`."
	response.Schema = schema.Schema{
		Version: schemaVersion,
		MarkdownDescription: "A machine that joins a cluster. It needs nothing but SSH: gravity comes from a master, by way of Terraform, and everything " +
			"else from the cluster.\n\nNodes may be created with `for_each` and removed in any order: what must not happen at the same time waits. " +
			"If Terraform is interrupted, the join goes on, and the next apply waits for its end. A machine that was replaced by another one with the " +
			"same address is recovered by the next apply.",
		Attributes: map[string]schema.Attribute{"ssh": access.NodeAttribute(), "timeouts": limits},
	}
	for _, part := range []map[string]schema.Attribute{inputs(), outputs()} {
		maps.Copy(response.Schema.Attributes, part)
	}
}

func inputs() map[string]schema.Attribute {
	known := masters.RequiredMasters()
	known.MarkdownDescription += " They are needed when the node is created; after that, the state follows the cluster."
	known.Validators = append(known.Validators, listvalidator.SizeAtLeast(1))
	known.PlanModifiers = append(known.PlanModifiers, keep{})
	return map[string]schema.Attribute{
		"cluster": schema.StringAttribute{
			Required: true, MarkdownDescription: "Name of the cluster, such as `gravity_cluster.example.name`.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
		},
		"masters": known,
		"advertise_address": schema.StringAttribute{
			Required: true, MarkdownDescription: "IP address of the machine, at which the other nodes reach it. Terraform connects to it, too, unless " +
				"`ssh.host` says otherwise.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			Validators:    []validator.String{attribute.Address()},
		},
		"role": schema.StringAttribute{
			Optional: true, Computed: true, MarkdownDescription: "Node profile, by default the first one of the application that suits.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()},
		},
		"mounts": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Folders of the machine for volumes of its node profile, by the names of the volumes.",
			PlanModifiers:       []planmodifier.Map{mapplanmodifier.RequiresReplaceIf(attribute.MapChanged, aboutReplace, aboutReplace)},
		},
		"skip_checks": schema.ListAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Names of preflight checks to skip, as `gravity check` prints them. It counts when the machine joins; a change later has no effect.",
		},
		"on_destroy": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(destroyLeave),
			MarkdownDescription: "What `terraform destroy` does. `leave`, the default, drains the node and removes it from the cluster, and the cluster from " +
				"the machine; a node that is offline is removed from the cluster only. `force` waits a minute for pods to go, and goes on where they do not or a hook fails. " +
				"`abandon` leaves the node in the cluster and only forgets it. A change counts when it was applied.",
			Validators: []validator.String{stringvalidator.OneOf(destroyLeave, destroyForce, destroyAbandon)},
		},
	}
}

const aboutReplace = "Another value needs the machine to leave and to join again."

func outputs() map[string]schema.Attribute {
	text := func(about string) schema.Attribute {
		return schema.StringAttribute{
			Computed: true, MarkdownDescription: about, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
		}
	}
	return map[string]schema.Attribute{
		"name": text("Name of the node in Kubernetes: the host name of the machine."),
		"master": schema.BoolAttribute{
			Computed: true, MarkdownDescription: "Whether the node is a master.",
			PlanModifiers: []planmodifier.Bool{boolplanmodifier.UseStateForUnknown()},
		},
		"membership": text("`member`, or `lost` if the cluster has a node of this address, and another machine has the address. The next apply " +
			"then removes the old node and has the machine join in its place."),
		"operation_id": text("ID of the join, for `gravity plan --operation-id` on the machine."),
		"operation_status": text("How the join is: `completed`; `running` if Terraform did not see its end, or `failed` if it has to be resumed. " +
			"In both cases the next apply goes on with it."),
	}
}

// keep keeps the state's value: what masters there are, the cluster says.
type keep struct{}

// Description says what it does.
func (keep) Description(context.Context) string { return "The state follows the cluster." }

// MarkdownDescription says what it does.
func (k keep) MarkdownDescription(ctx context.Context) string { return k.Description(ctx) }

// PlanModifyList plans no change.
func (keep) PlanModifyList(_ context.Context, request planmodifier.ListRequest, response *planmodifier.ListResponse) {
	if !request.StateValue.IsNull() && !request.ConfigValue.IsNull() {
		response.PlanValue = request.StateValue
	}
}

// IdentitySchema says what identifies a node.
func (r *nodeResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, response *resource.IdentitySchemaResponse) {
	response.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"advertise_address": identityschema.StringAttribute{RequiredForImport: true, Description: "Address of the machine."},
		"cluster":           identityschema.StringAttribute{OptionalForImport: true, Description: "Name of the cluster."},
	}}
}
