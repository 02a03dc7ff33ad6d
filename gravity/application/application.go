// Package application is an application on a master: its files, which come from
// the package store, and its hooks.
package application

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/hook"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/layer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Application is an application in the package store of this node, a master.
type Application struct {
	Paths  paths.Paths
	Store  *store.Store
	Client *kube.Client
	Log    operation.Logger
	// Output receives the logs of hooks while they come; nil means nobody.
	Output io.Writer
	// Name and Version are the application's, Cluster is the cluster's name, and
	// Node this node's: hooks run here, where the files are.
	Name, Version, Cluster, Node string
	// ServiceUser and ServiceGroup stand for -1 in the security contexts of hooks.
	ServiceUser, ServiceGroup int64
}

// folder has the application's files.
func (a *Application) folder() string { return a.Paths.Application(a.Name, a.Version) }

// Unpacked tells whether the application's files are there.
func (a *Application) Unpacked() bool {
	_, err := os.Stat(a.folder())
	return err == nil
}

// Remove removes the application's files.
func (a *Application) Remove() error { return os.RemoveAll(filepath.Dir(a.folder())) }

// Unpack puts the application's files where hooks find them, unless they are
// there already.
func (a *Application) Unpack(ctx context.Context) error {
	if a.Unpacked() {
		return nil
	}
	partial := a.folder() + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.MkdirAll(partial, 0o755)); err != nil {
		return err
	}
	if err := a.extract(ctx, partial); err != nil {
		return fmt.Errorf("unpack the application: %w", err)
	}
	// The folder is never unpacked again, so it must be whole after a loss of power.
	if err := container.SyncFileSystem(partial); err != nil {
		return err
	}
	return os.Rename(partial, a.folder())
}

// layers are those of the application's artifact.
func (a *Application) layers(ctx context.Context) ([]v1.Descriptor, error) {
	digest, err := a.Store.Resolve(bundle.ApplicationReference(a.Name, a.Version))
	if err != nil {
		return nil, err
	}
	content, err := a.Store.ReadManifest(ctx, digest)
	if err != nil {
		return nil, err
	}
	var artifact v1.Manifest
	if err := json.Unmarshal(content, &artifact); err != nil {
		return nil, fmt.Errorf("application %s:%s: %w", a.Name, a.Version, err)
	}
	return artifact.Layers, nil
}

// ReadManifest reads the application's app.yaml from the store.
func (a *Application) ReadManifest(ctx context.Context) ([]byte, error) {
	layers, err := a.layers(ctx)
	if err != nil {
		return nil, err
	}
	for _, descriptor := range layers {
		if descriptor.MediaType == bundle.ManifestMediaType {
			return a.Store.ReadManifest(ctx, descriptor.Digest)
		}
	}
	return nil, fmt.Errorf("application %s:%s has no manifest", a.Name, a.Version)
}

// Manifest is the application's manifest.
func (a *Application) Manifest(ctx context.Context) (*manifest.Manifest, error) {
	content, err := a.ReadManifest(ctx)
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(content))
	return m, err
}

func (a *Application) extract(ctx context.Context, folder string) error {
	layers, err := a.layers(ctx)
	if err != nil {
		return err
	}
	root, err := layer.Open(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, descriptor := range layers {
		if descriptor.MediaType != bundle.ResourcesMediaType {
			continue
		}
		blob, err := a.Store.Open(ctx, descriptor.Digest)
		if err != nil {
			return err
		}
		if err := errors.Join(root.Extract(ctx, blob, string(descriptor.MediaType)), blob.Close()); err != nil {
			return err
		}
	}
	content, err := a.ReadManifest(ctx)
	if err != nil {
		return err
	}
	return paths.WriteFile(filepath.Join(folder, bundle.NameManifest), content, 0o644)
}

// Run runs those of some hooks that the application has, one after the other,
// with further environment. Runs with the same ID take up those of a process
// that ended.
func (a *Application) Run(ctx context.Context, id string, environment map[string]string, names ...manifest.HookName) error {
	m, err := a.Manifest(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		found, ok := m.Hooks[name]
		if !ok {
			continue
		}
		if err := a.run(ctx, id, name, found, environment); err != nil {
			return err
		}
	}
	return nil
}

func (a *Application) run(ctx context.Context, id string, name manifest.HookName, found manifest.Hook, environment map[string]string) error {
	if err := a.Unpack(ctx); err != nil {
		return err
	}
	inside, err := filepath.Rel(a.Paths.Root, a.folder())
	if err != nil {
		return err
	}
	h := &hook.Hook{
		ID: id, Name: name, Job: string(found.Job), Application: a.Name, Version: a.Version,
		Cluster: a.Cluster, Node: a.Node, Resources: filepath.Join(paths.Inside, inside),
		ServiceUser: a.ServiceUser, ServiceGroup: a.ServiceGroup, Environment: environment,
	}
	if err := a.checkImages(ctx, h); err != nil {
		return err
	}
	runner := hook.Runner{Client: a.Client, LogFile: a.Paths.HookLog, Output: a.Output}
	a.Log.Info("run a hook", "hook", string(name))
	return runner.Run(ctx, h)
}

// checkImages fails if the store lacks an image of a hook: Kubernetes would try
// to pull it until the hook's deadline.
func (a *Application) checkImages(ctx context.Context, h *hook.Hook) error {
	images, err := h.Images()
	if err != nil {
		return err
	}
	for _, image := range images {
		reference, err := discovery.ParseReference(image)
		if err != nil {
			return fmt.Errorf("hook %s: %w", h.Name, err)
		}
		has, err := a.Store.Has(ctx, store.ClusterName(discovery.Name(reference)))
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
