package install

import (
	"context"
	"fmt"
	"os"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/application"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// installApplication installs the application: its files, and what its hooks do.
type installApplication struct{ *environment }

// Done is not known: hooks that have succeeded are not run again.
func (a *installApplication) Done(context.Context) (bool, error) { return false, nil }

func (a *installApplication) Execute(ctx context.Context) error {
	installed, err := a.application()
	if err != nil {
		return err
	}
	if err := installed.Unpack(ctx); err != nil {
		return err
	}
	return installed.Run(ctx, a.operationID, nil, manifest.HookInstall, manifest.HookPostInstall)
}

// Rollback removes what the hooks made, by the application's own hooks.
func (a *installApplication) Rollback(ctx context.Context) error {
	if _, err := os.Stat(a.paths.Application(a.settings.Node.Application, a.settings.Node.Version)); err != nil {
		return nil //nolint:nilerr // nothing was begun
	}
	if !exists(a.paths.KubernetesFile("admin.conf")) {
		return os.RemoveAll(a.paths.Application(a.settings.Node.Application, "")) // it has gone with the cluster
	}
	installed, err := a.application()
	if err != nil {
		return err
	}
	if err := kube.Wait(ctx, apiAnswer, "the API server", installed.Client.Ready); err != nil {
		return cli.WithHint(fmt.Errorf("the application's hooks need the cluster: %w", err),
			"see 'systemctl status %s'; the cluster and all that is in it are removed by 'gravity system uninstall --confirm'", container.Unit)
	}
	if err := installed.Run(ctx, a.operationID, nil, manifest.HookPreUninstall, manifest.HookUninstall); err != nil {
		return err
	}
	return installed.Remove()
}

func (a *installApplication) application() (*application.Application, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	n := a.settings.Node
	return &application.Application{
		Paths: a.paths, Store: a.store, Client: client, Log: a.log, Output: operation.Output(a.log),
		Name: n.Application, Version: n.Version, Cluster: n.Cluster, Node: n.Name,
		ServiceUser: a.settings.ServiceUser, ServiceGroup: a.settings.ServiceGroup,
	}, nil
}
