// Package node is the resource gravity_node: a machine that joins a cluster.
//
// What is done on the machine is found again by its key, as with gravity_cluster.
// The cluster's word counts for what a node is: only if it says that there is none
// of the address, the resource has gone.
package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	machine "github.com/gravity-platform/terraform-provider-gravity/provider/node"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

var (
	_ resource.ResourceWithConfigure      = (*nodeResource)(nil)
	_ resource.ResourceWithValidateConfig = (*nodeResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*nodeResource)(nil)
	_ resource.ResourceWithImportState    = (*nodeResource)(nil)
	_ resource.ResourceWithUpgradeState   = (*nodeResource)(nil)
	_ resource.ResourceWithIdentity       = (*nodeResource)(nil)
)

// Defaults of timeouts.
const (
	createTimeout = 30 * time.Minute
	deleteTimeout = 20 * time.Minute
)

// nodeResource is gravity_node.
type nodeResource struct{ reach *access.Access }

// New makes gravity_node.
func New() resource.Resource { return &nodeResource{} }

// Metadata names the resource.
func (r *nodeResource) Metadata(_ context.Context, request resource.MetadataRequest, response *resource.MetadataResponse) {
	response.TypeName = request.ProviderTypeName + "_node"
}

// Configure takes the connections.
func (r *nodeResource) Configure(_ context.Context, request resource.ConfigureRequest, response *resource.ConfigureResponse) {
	r.reach = access.FromProvider(request.ProviderData, &response.Diagnostics)
}

// identity is what identifies a node.
type identity struct {
	Address types.String `tfsdk:"advertise_address"`
	Cluster types.String `tfsdk:"cluster"`
}

func (m *model) identity() identity { return identity{m.AdvertiseAddress, m.Cluster} }

// join is the operation on the machine. The caller releases it.
func (r *nodeResource) join(m *model) (o *operation.Operation, release func(), err error) {
	reached, release, err := r.reach.Reach(m.self().Settings(), machine.Options{})
	if err != nil {
		return nil, nil, err
	}
	return &operation.Operation{
		Machine: reached, Cluster: m.Cluster.ValueString(), Verb: operation.Join,
		Key:     fmt.Sprintf("join %s %s", m.Cluster.ValueString(), m.address()),
		Program: reached.UploadPath(joining, program),
	}, release, nil
}

// joining is the folder of uploads that has the program until the machine is a
// node.
const (
	joining = "join"
	program = "gravity"
)

// arguments are those of gravity join. The token comes by standard input.
func (m *model) arguments(found []masters.Master) []string {
	var peers []string
	for _, one := range found {
		if one.Address.ValueString() != m.address() {
			peers = append(peers, one.Address.ValueString())
		}
	}
	args := []string{strings.Join(peers, ","), "--token=@/dev/stdin", "--advertise-addr=" + m.address()}
	if !m.Role.IsNull() && !m.Role.IsUnknown() {
		args = append(args, "--role="+m.Role.ValueString())
	}
	args = append(args, access.Repeat("--skip-check", m.SkipChecks)...)
	return append(args, access.Pairs("--mount", m.Mounts)...)
}

// ImportState takes ADDRESS, or ADDRESS,MASTER… with addresses of masters, which a
// node that is none does not know.
func (r *nodeResource) ImportState(ctx context.Context, request resource.ImportStateRequest, response *resource.ImportStateResponse) {
	words := strings.Split(request.ID, ",")
	if request.ID == "" {
		var address types.String
		response.Diagnostics.Append(request.Identity.GetAttribute(ctx, path.Root("advertise_address"), &address)...)
		words = []string{address.ValueString()}
	}
	var known []masters.Master
	for _, word := range words[min(1, len(words)-1):] {
		known = append(known, masters.At(strings.TrimSpace(word)))
	}
	for name, value := range map[string]any{
		"advertise_address": strings.TrimSpace(words[0]), "masters": masters.ToList(known), "on_destroy": destroyLeave,
	} {
		response.Diagnostics.Append(response.State.SetAttribute(ctx, path.Root(name), value)...)
	}
}
