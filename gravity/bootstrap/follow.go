package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// followInterval is how often a node asks who is a master.
const followInterval = 3 * time.Second

// Follow keeps what a node knows of masters and registries up to date until the
// context ends: a master asks the Kubernetes API, other nodes, whom that would
// not tell about others, ask masters. While nobody answers, what was known last
// stays. A node that learns that it was removed keeps that as its dismissal.
func Follow(ctx context.Context, p paths.Paths, n *node.Node, log *slog.Logger) error {
	f := &follower{paths: p, node: n, kube: kube.File{Path: p.KubernetesFile("admin.conf")}}
	reported := ""
	for {
		err := f.update(ctx)
		if errors.Is(err, ErrRemoved) {
			dismissal := node.Dismissal{Time: time.Now(), Reason: err.Error()}
			if known, readErr := node.ReadDismissal(p); readErr == nil && known == nil {
				err = errors.Join(err, dismissal.Write(p))
			}
		}
		if text := fmt.Sprint(err); err != nil && ctx.Err() == nil && text != reported {
			log.Warn("cannot find out who is a master; what was known last stays", "error", err)
			reported = text
		}
		if err == nil {
			reported = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followInterval):
		}
	}
}

type follower struct {
	paths paths.Paths
	node  *node.Node
	kube  kube.File
}

func (f *follower) update(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	view, err := f.view(ctx)
	if err != nil {
		return err
	}
	if err := view.Removals.Write(f.paths); err != nil {
		return err
	}
	if len(view.Masters) == 0 {
		return nil // it begins, or is being repaired
	}
	masters := f.node.Order(view.Masters)
	known, err := node.ReadMasters(f.paths)
	changed := err != nil || !slices.Equal(known, masters)
	if changed {
		if err := node.WriteMasters(f.paths, masters); err != nil {
			return err
		}
	}
	if hosts, err := node.ReadHosts(f.paths); !f.node.Master && (err != nil || !slices.Equal(hosts, view.Hosts)) {
		if err := node.WriteHosts(f.paths, view.Hosts); err != nil {
			return err
		}
		changed = true
	}
	if !changed {
		return nil
	}
	inside := container.New(f.paths)
	return errors.Join(inside.WriteMirrors(f.node), inside.WriteNetwork(f.node))
}

func (f *follower) view(ctx context.Context) (*View, error) {
	if f.node.Master {
		client, err := f.kube.Client()
		if err != nil {
			return nil, err
		}
		removals, err := f.removed(ctx, client)
		if err != nil {
			return nil, err
		}
		masters, err := Masters(ctx, client)
		return &View{Masters: masters, Removals: removals}, err
	}
	client, err := Open(f.paths)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.View(ctx)
}

// Open returns a client of the masters that this node knows, with the node's
// certificate.
func Open(p paths.Paths) (*Client, error) {
	masters, err := node.ReadMasters(p)
	if err != nil {
		return nil, err
	}
	config, err := certificate.FilesOf(p).TLS()
	if err != nil {
		return nil, err
	}
	peers := make([]string, 0, len(masters))
	for _, master := range masters {
		peers = append(peers, netip.AddrPortFrom(master, Port).String())
	}
	return NewClient(peers, config), nil
}
