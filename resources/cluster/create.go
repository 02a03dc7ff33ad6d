package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/bundles"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// Create installs the cluster, or waits for the installation of an earlier Create.
func (r *clusterResource) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	ctx = r.reach.Mask(ctx)
	var m model
	var secret types.String
	response.Diagnostics.Append(request.Plan.Get(ctx, &m)...)
	response.Diagnostics.Append(request.Config.GetAttribute(ctx, path.Root("config_wo"), &secret)...)
	limit, problems := m.Timeouts.Create(ctx, createTimeout)
	response.Diagnostics.Append(problems...)
	if response.Diagnostics.HasError() {
		return
	}
	limited, cancel := withTimeout(ctx, limit)
	defer cancel()
	o, release, err := r.installation(&m)
	if err != nil {
		access.AddError(&response.Diagnostics, "Cannot install cluster", err)
		return
	}
	defer release()
	if err := r.begin(limited, o, &m, secret); err != nil {
		access.AddError(&response.Diagnostics, "Cannot install cluster", err)
		return
	}
	result := o.Wait(limited, access.NewLines(ctx, "install"))
	if result.Status == operation.Refused || result.Status == operation.Busy {
		// Nothing was changed there, so there is nothing to keep.
		access.AddError(&response.Diagnostics, "Cannot install cluster", result.Err)
		return
	}
	r.conclude(limited, o, &m, result, &response.Diagnostics)
	if result.Status == operation.Failed {
		failedCreation(limited, o, result, &response.Diagnostics)
	}
	response.Diagnostics.Append(response.State.Set(ctx, &m)...)
	response.Diagnostics.Append(response.Identity.Set(ctx, m.identity())...)
}

// failedCreation tells about an installation that failed. Before the application
// was begun, nothing is lost if the next apply begins anew; after that, it has to
// be resumed, and Terraform must not know it as an error.
func failedCreation(ctx context.Context, o *operation.Operation, result operation.Result, diagnostics *diag.Diagnostics) {
	plan, err := o.Plan(ctx)
	if err == nil && !operation.Begun(plan, "/app") {
		access.AddError(diagnostics, "Cluster was not installed", cli.WithHint(result.Err,
			"remove the cause; the next apply removes what there is of the cluster, and installs it again"))
		return
	}
	access.AddWarning(diagnostics, "Application was not installed", cli.WithHint(result.Err,
		"remove the cause and apply again: that resumes the installation"))
}

func withTimeout(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not ended after %s", limit))
}

// begin has the installation run, if it does not yet: it may be complete then, too.
func (r *clusterResource) begin(ctx context.Context, o *operation.Operation, m *model, secret types.String) error {
	state, err := o.Machine.State(ctx, o.Key)
	if err != nil {
		return err
	}
	if err := o.Check(ctx); err != nil {
		return err
	}
	plan, planErr := o.Plan(ctx)
	complete := planErr == nil && operation.Examine(plan).Status == operation.Completed
	switch {
	case state == node.StateRunning, state == node.StateEnded && complete:
		return nil
	case complete && m.OperationID.IsUnknown():
		return cli.WithHint(fmt.Errorf("%s is a node of cluster %s already", o.Machine, o.Cluster),
			"take it over: 'terraform import gravity_cluster.NAME %s'", m.AdvertiseAddress.ValueString())
	case state == node.StateEnded:
		// It failed, or what it installed is not there any more.
		if err := o.Forget(ctx); err != nil {
			return err
		}
	}
	file, err := r.obtain(ctx, o, m)
	if err != nil {
		return err
	}
	_, err = o.Machine.Upload(ctx, node.Upload{
		Path: file, Digest: m.BundleDigest.ValueString(), Name: bundleFile, Progress: access.Progress(ctx, "bundle"),
		Waiting: func() { tflog.Info(ctx, "another Terraform sends the same bundle") },
	})
	if err != nil {
		return err
	}
	for _, config := range []types.String{secret, m.Config} {
		if !unset(config) {
			o.Stdin = []byte(config.ValueString())
			o.Args = append(o.Args, "--config=/dev/stdin")
			break
		}
	}
	return o.Start(ctx)
}

// obtain brings the bundle of the plan into a file here, and tells the operation what
// to expect of it. What was planned may lie elsewhere, or be another, by now.
func (r *clusterResource) obtain(ctx context.Context, o *operation.Operation, m *model) (file string, err error) {
	file = m.Bundle.ValueString()
	digest := m.BundleDigest.ValueString()
	if reference, ok := bundles.InHub(file); ok {
		if file, err = r.hubs().fetch(ctx, reference, digest); err != nil {
			return "", err
		}
	}
	wanted, err := openFile(file)
	if err != nil {
		return "", err
	}
	if wanted.digest != digest {
		return "", errMoved(file, wanted.digest, digest)
	}
	keys, _ := m.keys()
	if err := checkSigners(wanted, keys); err != nil {
		return "", err
	}
	o.IndexDigest, o.ProgramDigest, o.TrustedKeys = digest, wanted.program(), keys
	return file, nil
}

// conclude fills in the state after a wait.
func (r *clusterResource) conclude(ctx context.Context, o *operation.Operation, m *model, result operation.Result, diagnostics *diag.Diagnostics) {
	m.settle()
	m.OperationStatus = types.StringValue(result.Status)
	if result.ID != "" {
		m.OperationID = types.StringValue(result.ID)
	}
	switch result.Status {
	case operation.Running:
		access.AddWarning(diagnostics, "Installation goes on", cli.WithHint(
			fmt.Errorf("the installation of cluster %s runs on %s, and Terraform does not wait for it any more: %w", m.Name.ValueString(), o.Machine, result.Err),
			"apply again: that waits for its end; 'gravity plan' on the machine shows how far it is"))
	case operation.Completed:
		found, err := masters.Find(ctx, r.reach, m.Name.ValueString(), m.known())
		if err != nil {
			access.AddWarning(diagnostics, "Cluster does not answer yet", fmt.Errorf("the cluster is installed: %w", err))
			return
		}
		defer found.Release()
		m.refresh(found)
		// The packages are in the cluster's store now.
		if err := o.Machine.RemoveUpload(ctx, m.BundleDigest.ValueString()); err != nil {
			tflog.Warn(ctx, "the bundle stays on the first master", map[string]any{"error": err.Error()})
		}
	}
}

// Update goes on with an installation that has not ended. Everything else that can
// be changed is only recorded.
func (r *clusterResource) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	ctx = r.reach.Mask(ctx)
	var m, before model
	var secret types.String
	response.Diagnostics.Append(request.Plan.Get(ctx, &m)...)
	response.Diagnostics.Append(request.State.Get(ctx, &before)...)
	response.Diagnostics.Append(request.Config.GetAttribute(ctx, path.Root("config_wo"), &secret)...)
	limit, problems := m.Timeouts.Update(ctx, createTimeout)
	response.Diagnostics.Append(problems...)
	if response.Diagnostics.HasError() {
		return
	}
	if before.OperationStatus.ValueString() != operation.Completed {
		limited, cancel := withTimeout(ctx, limit)
		defer cancel()
		if err := r.goOn(limited, &m, before.OperationID, secret, &response.Diagnostics); err != nil {
			access.AddError(&response.Diagnostics, "Cannot go on with the installation", err)
		}
	}
	m.settle()
	response.Diagnostics.Append(response.State.Set(ctx, &m)...)
	response.Diagnostics.Append(response.Identity.Set(ctx, m.identity())...)
}

// goOn waits for the installation, and resumes it if it failed.
func (r *clusterResource) goOn(ctx context.Context, m *model, id, secret types.String, diagnostics *diag.Diagnostics) error {
	m.OperationID, m.OperationStatus = id, types.StringValue(operation.Running)
	o, release, err := r.installation(m)
	if err != nil {
		return err
	}
	defer release()
	if err := r.begin(ctx, o, m, secret); err != nil {
		return err
	}
	result := o.Wait(ctx, access.NewLines(ctx, "install"))
	r.conclude(ctx, o, m, result, diagnostics)
	if result.Status == operation.Running || result.Status == operation.Completed {
		return nil
	}
	m.OperationStatus = types.StringValue(operation.Failed)
	return errors.Join(result.Err)
}
