// Package cluster is the resource gravity_cluster: a cluster and its first master.
//
// Create is idempotent on the machine: whatever ended an earlier attempt, the same
// installation is found by its key (cluster, bundle, address) and waited for.
// Terraform wipes what a Create left that returned an error together with a state,
// so that is done only for an installation that failed before the application had
// data.
package cluster

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

var (
	_ resource.ResourceWithConfigure      = (*clusterResource)(nil)
	_ resource.ResourceWithValidateConfig = (*clusterResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*clusterResource)(nil)
	_ resource.ResourceWithImportState    = (*clusterResource)(nil)
	_ resource.ResourceWithUpgradeState   = (*clusterResource)(nil)
	_ resource.ResourceWithIdentity       = (*clusterResource)(nil)
)

// Defaults of timeouts.
const (
	createTimeout = 45 * time.Minute
	deleteTimeout = 20 * time.Minute
)

// clusterResource is gravity_cluster.
type clusterResource struct{ reach *access.Access }

// New makes gravity_cluster.
func New() resource.Resource { return &clusterResource{} }

// Metadata names the resource.
func (r *clusterResource) Metadata(_ context.Context, request resource.MetadataRequest, response *resource.MetadataResponse) {
	response.TypeName = request.ProviderTypeName + "_cluster"
}

// Configure takes the connections.
func (r *clusterResource) Configure(_ context.Context, request resource.ConfigureRequest, response *resource.ConfigureResponse) {
	r.reach = access.FromProvider(request.ProviderData, &response.Diagnostics)
}

// identity is what identifies a cluster.
type identity struct {
	Name    types.String `tfsdk:"name"`
	Address types.String `tfsdk:"advertise_address"`
}

func (m *model) identity() identity { return identity{m.Name, m.AdvertiseAddress} }

// program is where the bundle's gravity lies on the first master until the
// installation is complete.
const program = "gravity"

// bundleFile is the name of the bundle on the first master.
const bundleFile = "bundle.tar"

// installation is the operation on the first master. The caller releases it.
func (r *clusterResource) installation(m *model) (o *operation.Operation, release func(), err error) {
	machine, release, err := r.reach.Reach(m.first().Settings(), node.Options{})
	if err != nil {
		return nil, nil, err
	}
	digest := m.BundleDigest.ValueString()
	return &operation.Operation{
		Machine: machine, Cluster: m.Name.ValueString(), Verb: operation.Install,
		Key:     fmt.Sprintf("install %s %s %s", m.Name.ValueString(), digest, m.AdvertiseAddress.ValueString()),
		Program: machine.UploadPath(digest, program), Bundle: machine.UploadPath(digest, bundleFile),
		Args: m.arguments(machine.UploadPath(digest, bundleFile)),
	}, release, nil
}

// arguments are those of gravity install. What is secret comes by standard input.
func (m *model) arguments(bundle string) []string {
	args := []string{"--bundle=" + bundle, "--cluster=" + m.Name.ValueString(), "--advertise-addr=" + m.AdvertiseAddress.ValueString()}
	for _, option := range []struct {
		flag  string
		value types.String
	}{
		{"--role", m.Role},
		{"--flavor", m.Flavor},
		{"--cloud-provider", m.CloudProvider},
		{"--pod-network-cidr", m.PodNetwork},
		{"--service-cidr", m.ServiceNetwork},
	} {
		if !unset(option.value) {
			args = append(args, option.flag+"="+option.value.ValueString())
		}
	}
	for _, option := range []struct {
		flag  string
		value types.Int64
	}{{"--vxlan-port", m.VXLANPort}, {"--service-uid", m.ServiceUser}, {"--service-gid", m.ServiceGroup}} {
		if !option.value.IsNull() && !option.value.IsUnknown() {
			args = append(args, option.flag+"="+strconv.FormatInt(option.value.ValueInt64(), 10))
		}
	}
	args = append(args, access.Repeat("--dns-zone", m.DNSZones)...)
	args = append(args, access.Repeat("--skip-check", m.SkipChecks)...)
	return append(args, access.Pairs("--mount", m.Mounts)...)
}

// ImportState takes the address of the first master.
func (r *clusterResource) ImportState(ctx context.Context, request resource.ImportStateRequest, response *resource.ImportStateResponse) {
	resource.ImportStatePassthroughWithIdentity(ctx, path.Root("advertise_address"), path.Root("advertise_address"), request, response)
	if response.Diagnostics.HasError() {
		return
	}
	response.Diagnostics.Append(response.State.SetAttribute(ctx, path.Root("on_destroy"), destroyLeave)...)
}
