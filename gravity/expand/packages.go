package expand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// pull brings packages from the masters' registries, by digest: on a master all
// that there are, so that its registry has all before it serves; on another node
// only the master container, which is unpacked.
type pull struct{ *environment }

// Done asks for the last thing that Execute makes.
func (p *pull) Done(context.Context) (bool, error) {
	target, err := os.Readlink(p.paths.Current())
	return err == nil && target == p.settings.Node.Runtime, nil
}

// pullAttempts is how often it is tried to get what is missing: a connection may
// break, and a master may go away.
const pullAttempts = 5

func (p *pull) Execute(ctx context.Context) error {
	version := p.settings.Node.Runtime
	for attempt := 1; ; attempt++ {
		err := p.fetch(ctx)
		if err == nil {
			break
		}
		if attempt == pullAttempts {
			return err
		}
		p.log.Warn("packages are missing; it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(attempt) * time.Second):
		}
	}
	if err := container.Unpack(ctx, p.store, version, p.paths.Rootfs(version)); err != nil {
		return err
	}
	if !p.settings.Node.Master {
		if err := os.RemoveAll(p.paths.Store()); err != nil {
			return err
		}
	}
	return paths.Link(version, p.paths.Current())
}

func (p *pull) fetch(ctx context.Context) error {
	client, err := p.masters()
	if err != nil {
		return err
	}
	images, err := client.Packages(ctx)
	if err != nil {
		return err
	}
	if images, err = p.wanted(images); err != nil {
		return err
	}
	config, err := certificate.FilesOf(p.paths).TLS()
	if err != nil {
		return err
	}
	remote, err := store.NewRemote(p.settings.View.Masters, config, images)
	if err != nil {
		return err
	}
	defer remote.Close()
	return p.store.Import(ctx, remote, images, store.Options{})
}

// wanted are the images that this node needs.
func (p *pull) wanted(images []store.Image) ([]store.Image, error) {
	if p.settings.Node.Master {
		return images, nil
	}
	name := runtime.MasterReference(p.settings.Node.Runtime)
	for _, image := range images {
		if strings.EqualFold(image.Name, name) {
			return []store.Image{image}, nil
		}
	}
	return nil, fmt.Errorf("the masters have no image %s", name)
}

func (p *pull) Rollback(context.Context) error {
	err := os.RemoveAll(p.paths.Current())
	return errors.Join(err, os.RemoveAll(filepath.Dir(p.paths.Current())), os.RemoveAll(p.paths.Store()))
}
