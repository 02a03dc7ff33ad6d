package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// Artifact is a runtime in an OCI image layout.
type Artifact struct {
	// Layout is the folder.
	Layout string
	// Version is the Kubernetes version.
	Version string
	// Images are the names of the images that containerd runs.
	Images []string
	// Master is the name of the master container's image.
	Master string

	masterLayers []v1.Descriptor
}

// Open finds a runtime in a layout.
func Open(layout, version string) (*Artifact, error) {
	a := &Artifact{Layout: layout, Version: version}
	var top, index v1.IndexManifest
	content, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("open the runtimes: %w", err), "run 'make runtimes'")
	}
	if err := json.Unmarshal(content, &top); err != nil {
		return nil, fmt.Errorf("%s/index.json: %w", layout, err)
	}
	for _, descriptor := range top.Manifests {
		if descriptor.Annotations[runtime.AnnotationVersion] == version {
			if err := a.readBlob(descriptor.Digest, &index); err != nil {
				return nil, err
			}
		}
	}
	for _, descriptor := range index.Manifests {
		switch descriptor.Annotations[runtime.AnnotationRole] {
		case runtime.RoleImage:
			a.Images = append(a.Images, descriptor.Annotations["org.opencontainers.image.ref.name"])
		case runtime.RoleMaster:
			var manifest v1.Manifest
			if err := a.readBlob(descriptor.Digest, &manifest); err != nil {
				return nil, err
			}
			a.masterLayers = manifest.Layers
			a.Master = descriptor.Annotations["org.opencontainers.image.ref.name"]
		}
	}
	if len(a.masterLayers) == 0 || len(a.Images) == 0 {
		return nil, cli.WithHint(fmt.Errorf("%s has no complete runtime %s", layout, version), "run 'make runtimes RUNTIMES=%s'", version)
	}
	return a, nil
}

func (a *Artifact) blobPath(digest v1.Hash) string {
	return filepath.Join(a.Layout, "blobs", digest.Algorithm, digest.Hex)
}

func (a *Artifact) readBlob(digest v1.Hash, value any) error {
	content, err := os.ReadFile(a.blobPath(digest))
	if err != nil {
		return err
	}
	return json.Unmarshal(content, value)
}

// copyImages copies images into a registry, below their original hosts, by
// skopeo: whatever reads layouts and speaks to registries must be able to.
func (a *Artifact) copyImages(ctx context.Context, registry netip.AddrPort, names []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for _, name := range names {
		group.Go(func() error {
			command := exec.CommandContext(ctx, "skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests",
				"--dest-tls-verify=false", "oci:"+a.Layout+":"+name, "docker://"+registry.String()+"/"+name)
			if output, err := command.CombinedOutput(); err != nil {
				return fmt.Errorf("skopeo copy %s: %w: %s", name, err, strings.TrimSpace(string(output)))
			}
			return nil
		})
	}
	return group.Wait()
}
