package install

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/hook"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// HookRun runs hooks of the application whose files are on a node, there.
type HookRun struct {
	Paths paths.Paths
	// Node is the node that has the files, and where hooks run.
	Node   *node.Node
	Client *kube.Client
	// OperationID tells runs apart: a hook that succeeded is not run again.
	OperationID string
	Log         operation.Logger
	// ServiceUser and ServiceGroup stand for -1 in security contexts.
	ServiceUser, ServiceGroup int64
}

// InstalledManifest reads app.yaml of the application that is installed on a
// node.
func InstalledManifest(p paths.Paths, n *node.Node) (*manifest.Manifest, error) {
	content, err := os.ReadFile(filepath.Join(p.Application(n.Application, n.Version), bundle.NameManifest))
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(content))
	return m, err
}

// Run runs a hook, if the application has it.
func (r HookRun) Run(ctx context.Context, name manifest.HookName) error {
	m, err := InstalledManifest(r.Paths, r.Node)
	if err != nil {
		return fmt.Errorf("hook %s: %w", name, err)
	}
	found, ok := m.Hooks[name]
	if !ok {
		return nil
	}
	n := r.Node
	inside, err := filepath.Rel(r.Paths.Root, r.Paths.Application(n.Application, n.Version))
	if err != nil {
		return err
	}
	h := &hook.Hook{
		ID: r.OperationID, Name: name, Job: string(found.Job), Application: n.Application, Version: n.Version,
		Cluster: n.Cluster, Node: n.Name, Resources: filepath.Join(paths.Inside, inside),
		ServiceUser: r.ServiceUser, ServiceGroup: r.ServiceGroup,
	}
	if err := r.checkImages(ctx, h); err != nil {
		return err
	}
	runner := hook.Runner{Client: r.Client, LogFile: r.Paths.HookLog, Output: os.Stderr}
	r.Log.Info("run a hook", "hook", string(name))
	return runner.Run(ctx, h)
}

// checkImages fails if the store lacks an image of a hook: Kubernetes would try
// to pull it until the hook's deadline.
func (r HookRun) checkImages(ctx context.Context, h *hook.Hook) error {
	images, err := h.Images()
	if err != nil {
		return err
	}
	packages := store.New(r.Paths.Store())
	for _, image := range images {
		reference, err := discovery.ParseReference(image)
		if err != nil {
			return fmt.Errorf("hook %s: %w", h.Name, err)
		}
		has, err := packages.Has(ctx, store.ClusterName(discovery.Name(reference)))
		if err != nil {
			return fmt.Errorf("hook %s: %w", h.Name, err)
		}
		if !has {
			return cli.WithHint(fmt.Errorf("hook %s: image %s is not in the package store", h.Name, image),
				"build the bundle again with the image, and look at 'tele inspect'")
		}
	}
	return nil
}
