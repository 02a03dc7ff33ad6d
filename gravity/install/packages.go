package install

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// pull brings the runtime into the package store, and unpacks its master
// container.
type pull struct{ *environment }

// Done asks for the last thing that Execute makes.
func (p *pull) Done(context.Context) (bool, error) {
	target, err := os.Readlink(p.paths.Current())
	return err == nil && target == p.settings.Node.Runtime, nil
}

func (p *pull) Execute(ctx context.Context) error {
	b, err := p.open()
	if err != nil {
		return err
	}
	version := p.settings.Node.Runtime
	images, err := store.RuntimeImages(ctx, b, version)
	if err != nil {
		return err
	}
	if err := p.store.Import(ctx, b, images, store.Options{}); err != nil {
		return err
	}
	if err := container.Unpack(ctx, p.store, version, p.paths.Rootfs(version)); err != nil {
		return err
	}
	if err := p.checkConfiguration(ctx); err != nil {
		return err
	}
	return paths.Link(version, p.paths.Current())
}

// checkConfiguration asks the runtime for what it makes of the cluster's
// configuration, before any of its programs has to start with it.
func (p *pull) checkConfiguration(ctx context.Context) error {
	given, err := p.configuration()
	if err != nil {
		return err
	}
	programs := kubeadm.Programs{Folder: filepath.Join(p.paths.Rootfs(p.settings.Node.Runtime), "usr/local/bin"), Version: p.settings.Node.Runtime}
	err = errors.Join(programs.CheckGates(ctx, given.FeatureGates), programs.CheckKubelet(ctx, given.Kubelet, given.KubeletLines))
	if err != nil {
		return cli.WithHint(err, "correct the file of --config, and start again after 'gravity system uninstall --confirm'")
	}
	return nil
}

func (p *pull) Rollback(context.Context) error {
	err := os.RemoveAll(p.paths.Current())
	return errors.Join(err, os.RemoveAll(filepath.Dir(p.paths.Current())), os.RemoveAll(p.paths.Store()))
}

// export brings the application's images into the package store, from where the
// registry serves them.
type export struct{ *environment }

func (e *export) Done(ctx context.Context) (bool, error) {
	b, err := e.open()
	if err != nil {
		return false, err
	}
	for _, image := range store.ApplicationImages(b) {
		if has, err := e.store.Has(ctx, image.Name); err != nil || !has {
			return false, err
		}
	}
	return true, nil
}

func (e *export) Execute(ctx context.Context) error {
	b, err := e.open()
	if err != nil {
		return err
	}
	if err := e.store.Import(ctx, b, store.ApplicationImages(b), store.Options{}); err != nil {
		return err
	}
	return e.container.WriteMirrors(&e.settings.Node)
}

// Rollback leaves the images: they are harmless, and go with the store.
func (e *export) Rollback(context.Context) error { return nil }
