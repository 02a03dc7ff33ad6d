package node

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	machine "github.com/gravity-platform/terraform-provider-gravity/provider/node"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
	source "github.com/gravity-platform/terraform-provider-gravity/provider/program"
)

// start brings the cluster's gravity onto the machine and starts the join, with a
// token of its own. The first result revokes that token, which nobody needs after
// the machine was let in.
func (r *nodeResource) start(ctx context.Context, m *model, o *operation.Operation) (revoke func(), err error) {
	found, err := masters.Find(ctx, r.reach, m.Cluster.ValueString(), m.others())
	if err != nil {
		return nil, err
	}
	if err := send(ctx, found.Node, o); err != nil {
		found.Release()
		return nil, err
	}
	token, worthless, err := operation.Token(ctx, found.Node)
	if err != nil {
		found.Release()
		return nil, err
	}
	revoke = func() {
		defer found.Release()
		// Also when Terraform was interrupted.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
		defer cancel()
		if err := worthless(ctx); err != nil {
			tflog.Warn(ctx, "a join token expires by itself within an hour", map[string]any{"error": err.Error()})
		}
	}
	o.Stdin = []byte(token)
	o.Args = m.arguments(found.Masters(nil))
	return revoke, o.Start(ctx)
}

// send brings a master's gravity onto the machine, to a place that whoever comes
// later finds without knowing what it is.
func send(ctx context.Context, master *machine.Node, o *operation.Operation) error {
	fetched, err := source.Fetch(ctx, master)
	if err != nil {
		return err
	}
	sent, err := o.Machine.Upload(ctx, machine.Upload{
		Path: fetched.Path, Digest: fetched.Digest, Name: program, Progress: access.Progress(ctx, "gravity"),
	})
	if err != nil {
		return err
	}
	return o.Machine.Link(ctx, sent, o.Program)
}

// revokeTimeout bounds how long a token is tried to be revoked.
const revokeTimeout = 20 * time.Second

// conclude fills in the state after a wait.
func (r *nodeResource) conclude(ctx context.Context, m *model, o *operation.Operation, result operation.Result) {
	m.OperationStatus = types.StringValue(result.Status)
	m.Membership = types.StringValue(member)
	if result.ID != "" {
		m.OperationID = types.StringValue(result.ID)
	}
	defer m.settle()
	if result.Status != operation.Completed {
		return
	}
	found, err := masters.Find(ctx, r.reach, m.Cluster.ValueString(), m.known())
	if err != nil {
		tflog.Warn(ctx, "the machine is a node, and the cluster does not answer yet", map[string]any{"error": err.Error()})
		return
	}
	defer found.Release()
	m.refresh(found)
	if err := o.Machine.RemoveUploads(ctx); err != nil {
		tflog.Warn(ctx, "the program that joined stays on the machine", map[string]any{"error": err.Error()})
	}
}
