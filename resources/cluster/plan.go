package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// ValidateConfig finds what is wrong with what is known.
func (r *clusterResource) ValidateConfig(ctx context.Context, request resource.ValidateConfigRequest, response *resource.ValidateConfigResponse) {
	var ssh types.Object
	response.Diagnostics.Append(request.Config.GetAttribute(ctx, path.Root("ssh"), &ssh)...)
	access.AddProblems(&response.Diagnostics, access.NewSettings(ssh).Check())
}

// ModifyPlan reads the bundle, and plans to go on with an installation that has not
// ended.
func (r *clusterResource) ModifyPlan(ctx context.Context, request resource.ModifyPlanRequest, response *resource.ModifyPlanResponse) {
	if request.Plan.Raw.IsNull() {
		return
	}
	var plan model
	response.Diagnostics.Append(request.Plan.Get(ctx, &plan)...)
	before := &model{}
	if request.State.Raw.IsNull() {
		before = nil
	} else {
		response.Diagnostics.Append(request.State.Get(ctx, before)...)
	}
	if response.Diagnostics.HasError() {
		return
	}
	r.hubs().planBundle(ctx, &plan, before, &response.Diagnostics)
	if response.Diagnostics.HasError() {
		return
	}
	if before != nil {
		if before.OperationStatus.ValueString() != operation.Completed {
			plan.forget()
		}
		warnReplacement(&plan, before, response)
	}
	response.Diagnostics.Append(response.Plan.Set(ctx, &plan)...)
}

// planBundle finds out which bundle is wanted, and whether it may be installed. The
// one that is installed, by another name or after an import, is no change.
func (h hubs) planBundle(ctx context.Context, plan, before *model, diagnostics *diag.Diagnostics) {
	if plan.Bundle.IsUnknown() {
		if before == nil {
			plan.BundleDigest = types.StringUnknown()
		}
		return
	}
	name := plan.Bundle.ValueString()
	stays := before != nil && !plan.replaces(before)
	installed := stays && before.OperationStatus.ValueString() == operation.Completed
	unchanged := installed && plan.Bundle.Equal(before.Bundle)
	if unchanged && pinned(name) {
		return
	}
	at := path.Root("bundle")
	wanted, err := h.offer(ctx, name)
	switch {
	case unchanged && errors.Is(err, fs.ErrNotExist):
		return // nothing of it is needed any more
	case err != nil && isHub(name) && (unchanged || installed && before.Bundle.Equal(before.BundleDigest)):
		// A cluster that runs, and may have been imported, needs no hub.
		diagnostics.AddAttributeWarning(at, "Cannot ask hub", "The cluster is taken to have the bundle of this name. "+access.Detail(err))
		plan.Bundle = before.Bundle
		return
	case err != nil:
		diagnostics.AddAttributeError(at, "Cannot read bundle", access.Detail(err))
		return
	case stays && wanted.digest != before.BundleDigest.ValueString():
		diagnostics.AddAttributeError(at, "Cluster cannot be upgraded",
			fmt.Sprintf("Cluster %s has the bundle %s (%s %s), and %s is %s. Upgrades are not supported yet.\n\n"+
				"To do: name the bundle that is installed.", plan.Name.ValueString(), before.BundleDigest.ValueString(),
				before.Application.ValueString(), before.Version.ValueString(), name, wanted.digest))
		return
	}
	planSigners(plan, before, wanted, installed, diagnostics)
	if stays {
		plan.Bundle = before.Bundle
		return
	}
	if before == nil {
		// For what replaces a cluster, Terraform asks once more.
		planChoices(plan, wanted, diagnostics)
	}
	plan.BundleDigest = types.StringValue(wanted.digest)
}

// forget makes unknown what the end of the installation will tell.
func (m *model) forget() {
	m.OperationStatus, m.OperationID = types.StringUnknown(), types.StringUnknown()
	for _, text := range []*types.String{&m.Application, &m.Version, &m.Kubernetes, &m.State} {
		*text = types.StringUnknown()
	}
	// What nobody set is not in the state of an installation that has not ended.
	for _, text := range []*types.String{&m.Role, &m.PodNetwork, &m.ServiceNetwork, &m.CloudProvider} {
		if text.IsNull() {
			*text = types.StringUnknown()
		}
	}
	for _, number := range []*types.Int64{&m.VXLANPort, &m.ServiceUser, &m.ServiceGroup} {
		if number.IsNull() {
			*number = types.Int64Unknown()
		}
	}
	m.Masters, m.Nodes, m.Endpoints = types.ListUnknown(masterType), types.ListUnknown(nodeType), types.MapUnknown(endpointType)
}

// replaces tells whether the plan is for another cluster.
func (m *model) replaces(before *model) bool {
	changed := func(planned, old attr.Value) bool {
		return !old.IsNull() && !planned.IsUnknown() && !planned.Equal(old)
	}
	return changed(m.Name, before.Name) || changed(m.AdvertiseAddress, before.AdvertiseAddress) || changed(m.Role, before.Role) ||
		changed(m.PodNetwork, before.PodNetwork) || changed(m.ServiceNetwork, before.ServiceNetwork) ||
		changed(m.VXLANPort, before.VXLANPort) || changed(m.ServiceUser, before.ServiceUser) || changed(m.ServiceGroup, before.ServiceGroup) ||
		changed(m.CloudProvider, before.CloudProvider) || changed(m.Mounts, before.Mounts) ||
		changed(m.DNSZones, before.DNSZones) && !sameZones(m.DNSZones, before.DNSZones)
}

// warnReplacement says what a replacement costs, and what a change does not do.
func warnReplacement(plan, before *model, response *resource.ModifyPlanResponse) {
	if plan.replaces(before) {
		plan.forget()
		response.Diagnostics.AddWarning("Cluster will be replaced", fmt.Sprintf("Cluster %s will be removed with the application and all its data, "+
			"and installed again, since an attribute was changed that a cluster cannot change.", before.Name.ValueString()))
		return
	}
	for name, values := range map[string][2]attr.Value{
		"config": {plan.Config, before.Config}, "config_wo_version": {plan.WriteOnlyConfigCount, before.WriteOnlyConfigCount},
		"flavor": {plan.Flavor, before.Flavor},
	} {
		if !values[1].IsNull() && !values[0].Equal(values[1]) {
			response.Diagnostics.AddAttributeWarning(path.Root(name), "Change has no effect",
				"It counts when the cluster is installed, and the cluster is installed already.")
		}
	}
}
