package expand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
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

func (p *pull) Execute(ctx context.Context) error {
	version := p.settings.Node.Runtime
	if err := insist(ctx, p.log, p.fetch); err != nil {
		return err
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

// pullAttempts is how often it is tried at least to get more than there is: each
// attempt may take long.
const pullAttempts = 5

// insist fetches until all is there. It gives up when nothing has arrived for
// stepWithin, or at once for what would be the same again.
func insist(ctx context.Context, log operation.Logger, fetch func(context.Context, func()) error) error {
	since := time.Now()
	for attempt := 1; ; attempt++ {
		var arrived atomic.Bool
		err := fetch(ctx, func() { arrived.Store(true) })
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, unavailable := errors.AsType[*store.UnavailableError](err); !unavailable && !bootstrap.Later(err) {
			return err
		}
		if arrived.Load() {
			since, attempt = time.Now(), 1
		}
		if attempt >= pullAttempts && time.Since(since) >= stepWithin {
			return fmt.Errorf("no package has arrived for %s: %w", time.Since(since).Round(time.Second), err)
		}
		log.Warn("packages are missing; it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(min(attempt, 10)) * time.Second):
		}
	}
}

// fetch gets what is missing from the masters that there are.
func (p *pull) fetch(ctx context.Context, arrived func()) error {
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
	masters := p.settings.View.Masters
	if view, err := client.View(ctx); err == nil && len(view.Masters) > 0 {
		masters = view.Masters // one may have come or gone
	}
	config, err := certificate.FilesOf(p.paths).TLS()
	if err != nil {
		return err
	}
	remote, err := store.NewRemote(masters, config, images)
	if err != nil {
		return err
	}
	defer remote.Close()
	err = p.store.Import(ctx, remote, images, store.Options{Arrived: arrived})
	for _, found := range remote.Damaged() {
		p.log.Warn("the package store of a master is damaged", "master", found.Master, "blob", found.Digest)
	}
	return err
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
