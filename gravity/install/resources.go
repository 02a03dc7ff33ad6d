package install

import (
	"context"
	"os"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/resource"
)

// resources makes the objects of Kubernetes that the user gave.
type resources struct{ inCluster }

func (r *resources) Execute(ctx context.Context) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	file, err := readResources(r.settings.Resources)
	if err != nil {
		return err
	}
	for _, object := range file.Kubernetes {
		if err := client.ApplyObject(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// gravityResources keeps Gravity's documents that the user gave.
type gravityResources struct{ inCluster }

func (g *gravityResources) Execute(ctx context.Context) error {
	client, err := g.client()
	if err != nil {
		return err
	}
	file, err := readResources(g.settings.GravityResources)
	if err != nil {
		return err
	}
	for _, document := range file.Gravity {
		if err := client.ApplyObject(ctx, document.Secret()); err != nil {
			return err
		}
		g.log.Info("keep a document", "kind", document.Kind, "line", document.Line)
	}
	return nil
}

// configuration is the ClusterConfiguration that the user gave.
func (e *environment) configuration() (resource.Configuration, error) {
	file, err := e.documents()
	if err != nil {
		return resource.Configuration{}, err
	}
	return file.Configuration, nil
}

// documents are Gravity's documents that the user gave.
func (e *environment) documents() (*resource.File, error) {
	if e.settings.GravityResources == "" {
		return new(resource.File), nil
	}
	return readResources(e.settings.GravityResources)
}

func readResources(path string) (*resource.File, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return resource.Parse(filepath.Base(path), content)
}
