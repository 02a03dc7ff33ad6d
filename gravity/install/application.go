package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/layer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// application installs the application: its files, and what its hooks do.
type application struct {
	*environment
	operationID string
}

// Done is not known: hooks that have succeeded are not run again.
func (a *application) Done(context.Context) (bool, error) { return false, nil }

func (a *application) Execute(ctx context.Context) error {
	if err := a.unpack(ctx); err != nil {
		return err
	}
	for _, name := range []manifest.HookName{manifest.HookInstall, manifest.HookPostInstall} {
		if err := a.run(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Rollback removes what the hooks made, by the application's own hooks.
func (a *application) Rollback(ctx context.Context) error {
	if _, err := os.Stat(a.folder()); err != nil {
		return nil //nolint:nilerr // nothing was begun
	}
	for _, name := range []manifest.HookName{manifest.HookPreUninstall, manifest.HookUninstall} {
		if err := a.run(ctx, name); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Dir(a.folder()))
}

func (a *application) folder() string {
	return a.paths.Application(a.settings.Node.Application, a.settings.Node.Version)
}

// unpack puts the application's files where hooks find them.
func (a *application) unpack(ctx context.Context) error {
	folder := a.folder()
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	b, err := a.open()
	if err != nil {
		return err
	}
	partial := folder + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.MkdirAll(partial, 0o755)); err != nil {
		return err
	}
	if err := unpackResources(ctx, b, partial); err != nil {
		return fmt.Errorf("unpack the application: %w", err)
	}
	return os.Rename(partial, folder)
}

func unpackResources(ctx context.Context, b *bundle.Bundle, folder string) error {
	content, err := b.ReadManifest(ctx, b.Index().Application.Digest)
	if err != nil {
		return err
	}
	var artifact v1.Manifest
	if err := json.Unmarshal(content, &artifact); err != nil {
		return err
	}
	root, err := layer.Open(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, descriptor := range artifact.Layers {
		if descriptor.MediaType != bundle.ResourcesMediaType {
			continue
		}
		blob, err := b.Open(ctx, descriptor.Digest)
		if err != nil {
			return err
		}
		if err := errors.Join(root.Extract(ctx, blob, string(descriptor.MediaType)), blob.Close()); err != nil {
			return err
		}
	}
	app, err := b.Manifest()
	if err != nil {
		return err
	}
	return paths.WriteFile(filepath.Join(folder, bundle.NameManifest), app, 0o644)
}

// run runs a hook, if the application has it.
func (a *application) run(ctx context.Context, name manifest.HookName) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	run := HookRun{
		Paths: a.paths, Node: &a.settings.Node, Client: client, OperationID: a.operationID, Log: a.log,
		ServiceUser: a.settings.ServiceUser, ServiceGroup: a.settings.ServiceGroup,
	}
	return run.Run(ctx, name)
}
