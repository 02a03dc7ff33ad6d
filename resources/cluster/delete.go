package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// Delete removes the cluster from its last machine, as on_destroy says.
func (r *clusterResource) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	ctx = r.reach.Mask(ctx)
	var m model
	response.Diagnostics.Append(request.State.Get(ctx, &m)...)
	limit, problems := m.Timeouts.Delete(ctx, deleteTimeout)
	response.Diagnostics.Append(problems...)
	if response.Diagnostics.HasError() || m.OnDestroy.ValueString() == destroyAbandon {
		return
	}
	ctx, cancel := withTimeout(ctx, limit)
	defer cancel()
	if err := r.remove(ctx, &m); err != nil {
		access.AddError(&response.Diagnostics, "Cannot remove cluster", err)
	}
}

func (r *clusterResource) remove(ctx context.Context, m *model) error {
	if m.OperationStatus.ValueString() != operation.Completed {
		return r.wipeFirst(ctx, m)
	}
	force := m.OnDestroy.ValueString() == destroyForce
	found, err := masters.Find(ctx, r.reach, m.Name.ValueString(), m.known())
	switch {
	case errors.Is(err, masters.ErrAbsent):
		return nil
	case err != nil && force:
		return r.wipeFirst(ctx, m)
	case err != nil:
		return cli.WithHint(err, "on_destroy = \"force\", applied before, removes also a cluster that does not work; \"abandon\" only forgets it")
	}
	defer found.Release()
	others := otherNodes(found)
	if len(others) > 0 && !force {
		return cli.WithHint(fmt.Errorf("cluster %s still has the nodes %s", m.Name.ValueString(), names(others)),
			"remove them before; on_destroy = \"force\", applied before, removes the cluster with all its nodes")
	}
	for _, other := range others {
		if err := operation.Remove(ctx, found.Node, other.Hostname, true); err != nil {
			return err
		}
	}
	return operation.Wipe(ctx, found.Node, m.Name.ValueString(), "")
}

// otherNodes are all but the master that was found.
func otherNodes(found *masters.Found) []report.StatusNode {
	var others []report.StatusNode
	for _, one := range found.Status.Cluster.Nodes {
		if one.AdvertiseIP != found.Master.Address.ValueString() {
			others = append(others, one)
		}
	}
	return others
}

func names(nodes []report.StatusNode) string {
	var names []string
	for _, one := range nodes {
		names = append(names, one.Hostname)
	}
	return strings.Join(names, ", ")
}

// wipeFirst removes everything from the first master, whatever state it is in.
func (r *clusterResource) wipeFirst(ctx context.Context, m *model) error {
	machine, release, err := r.reach.Reach(m.first().Settings(), node.Options{})
	if err != nil {
		return err
	}
	defer release()
	return operation.Wipe(ctx, machine, m.Name.ValueString(), machine.UploadPath(m.BundleDigest.ValueString(), program))
}
