package cluster

import (
	"context"
	"maps"
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/listplanmodifier"
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

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

func (r *clusterResource) Schema(ctx context.Context, _ resource.SchemaRequest, response *resource.SchemaResponse) {
	limits, _ := timeouts.Attributes(ctx, timeouts.Opts{
		Create: true, Update: true, Delete: true,
		CreateDescription: "How long the installation may take, `45m` by default. It goes on after that, and the next apply waits for it again.",
		UpdateDescription: "How long an update may wait for an installation that has not ended, `45m` by default.",
		DeleteDescription: "How long the removal may take, `20m` by default.",
	}).(schema.SingleNestedAttribute)
	limits.MarkdownDescription = "How long operations may take, as `30m` or `1h`."
	response.Schema = schema.Schema{
		Version: schemaVersion,
		MarkdownDescription: "A cluster: its first master, with Kubernetes and the application of a bundle. Other machines join it as " +
			"`gravity_node`.\n\nThe installation runs on the machine. If Terraform is interrupted, or the connection is, it goes on, and " +
			"the next apply waits for its end.\n\nAn import of a cluster is a plan without changes. Only `ssh`, `timeouts` and an `on_destroy` other than `leave` " +
			"are recorded by the apply that follows.",
		Attributes: map[string]schema.Attribute{"ssh": access.NodeAttribute(), "timeouts": limits},
	}
	for _, part := range []map[string]schema.Attribute{inputs(), installationOnly(), outputs()} {
		maps.Copy(response.Schema.Attributes, part)
	}
}

// inputs are what a cluster is: most of it cannot be changed later.
func inputs() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name": schema.StringAttribute{
			Required: true, MarkdownDescription: "Name of the cluster.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			Validators:    []validator.String{stringvalidator.RegexMatches(namePattern, "must have lower-case letters, digits, hyphens and dots only")},
		},
		"bundle": schema.StringAttribute{
			Required: true, MarkdownDescription: "Path of the bundle that `tele build` wrote, or `oci://HOST/PATH/NAME:VERSION` for one in a hub, " +
				"with `@sha256:…` in place of the version for exactly that one. What counts is its content: the same bundle at another path is no " +
				"change, and a version that leads to another bundle in the hub is one. Hubs are asked when Terraform plans, with the credentials of " +
				"docker.",
		},
		"advertise_address": schema.StringAttribute{
			Required: true, MarkdownDescription: "IP address of the first master, at which the other nodes reach it. Terraform connects to it, too, " +
				"unless `ssh.host` says otherwise.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			Validators:    []validator.String{attribute.Address()},
		},
		"role": schema.StringAttribute{
			Optional: true, Computed: true, MarkdownDescription: "Node profile of the first master, by default the first of the bundle.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()},
		},
		"mounts": schema.MapAttribute{
			Optional: true, Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Folders of the first master for volumes of its node profile, by the names of the volumes. Without it, they " +
				"stay as they are.",
			PlanModifiers: []planmodifier.Map{lasting{}, mapplanmodifier.RequiresReplaceIf(attribute.MapChanged, aboutReplace, aboutReplace)},
		},
		"pod_cidr":     network("Network of pods, `10.244.0.0/16` by default."),
		"service_cidr": network("Network of services, `10.100.0.0/16` by default."),
		"vxlan_port":   number("UDP port of the network between pods, 8472 by default.", 1, 65535),
		"service_uid":  number("User that stands for `runAsUser: -1` in the application's hooks, 1000 by default.", 0, 1<<31),
		"service_gid":  number("Group of that user, 1000 by default.", 0, 1<<31),
		"cloud_provider": schema.StringAttribute{
			Optional: true, Computed: true, MarkdownDescription: "`generic`, `aws` or `gce`; recorded, and without effect on Kubernetes. `generic` by default.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()},
			Validators:    []validator.String{stringvalidator.OneOf("generic", "aws", "gce")},
		},
		"dns_zones": schema.ListAttribute{
			Optional: true, Computed: true, ElementType: types.StringType, MarkdownDescription: "Resolvers of their own for domains, each as `DOMAIN/ADDRESS[:PORT]`. Without it, they stay as they are.",
			PlanModifiers: []planmodifier.List{lasting{}, listplanmodifier.RequiresReplaceIf(zonesChanged, aboutReplace, aboutReplace)},
		},
		"on_destroy": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(destroyLeave),
			MarkdownDescription: "What `terraform destroy` does. `leave`, the default, removes the cluster with the application and all its data, and " +
				"refuses while other nodes are in it. `force` does it whatever else is in the cluster, and also if the cluster does not work. " +
				"`abandon` leaves the cluster as it is and only forgets it. A change counts when it was applied.",
			Validators: []validator.String{stringvalidator.OneOf(destroyLeave, destroyForce, destroyAbandon)},
		},
	}
}

const aboutReplace = "Another value needs another cluster."

func network(about string) schema.Attribute {
	return schema.StringAttribute{
		Optional: true, Computed: true, MarkdownDescription: about,
		PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()},
		Validators:    []validator.String{attribute.Network()},
	}
}

func number(about string, least, most int64) schema.Attribute {
	return schema.Int64Attribute{
		Optional: true, Computed: true, MarkdownDescription: about,
		PlanModifiers: []planmodifier.Int64{int64planmodifier.UseStateForUnknown(), int64planmodifier.RequiresReplaceIfConfigured()},
		Validators:    []validator.Int64{int64validator.Between(least, most)},
	}
}

// installationOnly are what counts when the cluster is installed, and never again.
func installationOnly() map[string]schema.Attribute {
	const once = " It counts when the cluster is installed; a change later has no effect."
	return map[string]schema.Attribute{
		signedBy: schema.ListAttribute{
			Optional: true, Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Public keys in PEM, such as `[file(\"release.pub\")]`, of which one must have signed the bundle (`tele sign`). It is " +
				"checked when Terraform plans, before the bundle is sent, and on the machine before anything of it runs. Without it, every bundle is " +
				"accepted that the machine's `/etc/gravity/trust.yaml` does not refuse. Of a cluster that is installed, it is a warning." + aboutAdopted,
			PlanModifiers: []planmodifier.List{lasting{notKnownKeys}},
			Validators:    []validator.List{listvalidator.SizeAtMost(maxKeys), listvalidator.ValueStringsAre(attribute.PublicKey())},
		},
		"flavor": schema.StringAttribute{
			Optional: true, Computed: true, MarkdownDescription: "Flavor of the application." + once,
			PlanModifiers: []planmodifier.String{lasting{}},
		},
		"skip_checks": schema.ListAttribute{
			Optional: true, Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Names of preflight checks to skip, as `gravity check` prints them." + once,
			PlanModifiers:       []planmodifier.List{lasting{}},
		},
		"config": schema.StringAttribute{
			Optional: true, Computed: true, Sensitive: true, MarkdownDescription: "YAML with Kubernetes objects and Gravity documents to create. Terraform's state keeps it: " +
				"what is secret belongs into `config_wo`." + once + aboutAdopted,
			PlanModifiers: []planmodifier.String{lasting{notKnownConfig}},
			Validators:    []validator.String{stringvalidator.ConflictsWith(path.MatchRoot("config_wo"))},
		},
		"config_wo": schema.StringAttribute{
			Optional: true, Sensitive: true, WriteOnly: true, MarkdownDescription: "As `config`, and neither state nor plan have it. It needs Terraform 1.11 " +
				"or OpenTofu 1.11." + once,
			Validators: []validator.String{stringvalidator.AlsoRequires(path.MatchRoot("config_wo_version"))},
		},
		"config_wo_version": schema.Int64Attribute{
			Optional: true, Computed: true, MarkdownDescription: "Version of `config_wo`, from 1 on, to be counted up when that changes." + aboutAdopted +
				" The state then has 0.",
			PlanModifiers: []planmodifier.Int64{lasting{notKnownVersion}},
			Validators:    []validator.Int64{int64validator.Any(int64validator.OneOf(0), int64validator.AlsoRequires(path.MatchRoot("config_wo")))},
		},
	}
}

func outputs() map[string]schema.Attribute {
	text := func(about string) schema.Attribute {
		return schema.StringAttribute{
			Computed: true, MarkdownDescription: about, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
		}
	}
	found := masters.ComputedMasters()
	found.PlanModifiers = []planmodifier.List{listplanmodifier.UseStateForUnknown()}
	return map[string]schema.Attribute{
		"bundle_digest":      text("Digest of the bundle's index, such as `sha256:…`. It identifies what is installed."),
		"application":        text("Name of the application."),
		"version":            text("Version of the application."),
		"kubernetes_version": text("Version of Kubernetes."),
		"state":              text("State of the cluster when it was asked last: `active`, `degraded`, or what an operation does."),
		"operation_id":       text("ID of the installation, for `gravity plan --operation-id` on the first master."),
		"operation_status": text("How the installation is: `completed`; `running` if Terraform did not see its end, or `failed` if it has to be " +
			"resumed. In both cases the next apply goes on with it."),
		"masters": found,
		"nodes": schema.ListNestedAttribute{
			Computed: true, MarkdownDescription: "All nodes, in the order of their addresses.",
			PlanModifiers: []planmodifier.List{listplanmodifier.UseStateForUnknown()},
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"name":    schema.StringAttribute{Computed: true, MarkdownDescription: "Name of the node in Kubernetes."},
				"address": schema.StringAttribute{Computed: true, MarkdownDescription: "Address at which other nodes reach it."},
				"role":    schema.StringAttribute{Computed: true, MarkdownDescription: "Node profile."},
				"master":  schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether it is a master."},
				"status":  schema.StringAttribute{Computed: true, MarkdownDescription: "`healthy`, `degraded` or `offline`."},
			}},
		},
		"endpoints": schema.MapAttribute{
			Computed: true, ElementType: types.ListType{ElemType: types.StringType},
			MarkdownDescription: "Addresses of the application, by the names of its endpoints.",
			PlanModifiers:       []planmodifier.Map{mapplanmodifier.UseStateForUnknown()},
		},
	}
}

// IdentitySchema says what identifies a cluster.
func (r *clusterResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, response *resource.IdentitySchemaResponse) {
	response.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"name":              identityschema.StringAttribute{OptionalForImport: true, Description: "Name of the cluster."},
		"advertise_address": identityschema.StringAttribute{RequiredForImport: true, Description: "Address of its first master."},
	}}
}
