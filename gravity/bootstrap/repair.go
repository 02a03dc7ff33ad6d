package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

const (
	// repairInterval is how often a master looks for blobs that are missing or have
	// been written to, and verifyInterval how often it reads all of them.
	repairInterval = time.Minute
	verifyInterval = 24 * time.Hour
)

// Repair keeps the package store of a master whole until the context ends: what
// is missing or damaged comes from other masters. On other nodes it only waits.
// How the store is, is told in a file.
func Repair(ctx context.Context, p paths.Paths, n *node.Node, log *slog.Logger) error {
	if !n.Master {
		<-ctx.Done()
		return nil
	}
	r := &repairer{paths: p, store: store.New(p.Store()), stamps: map[v1.Hash]string{}}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(repairInterval):
		}
		masters, err := node.ReadMasters(p)
		if err != nil {
			continue // the node is not complete
		}
		others := slices.DeleteFunc(masters, func(master netip.Addr) bool { return master == n.Address })
		state, err := r.round(ctx, others, time.Now().UTC())
		if err != nil && ctx.Err() == nil {
			log.Warn("the package store is not whole", "error", err)
		}
		if state.Repaired > 0 {
			log.Info("the package store was repaired", "blobs", state.Repaired)
		}
	}
}

// repairer repairs a store again and again.
type repairer struct {
	paths paths.Paths
	store *store.Store
	// stamps are those of blobs that were whole, and failed the blobs that could not be
	// repaired, when all were looked at last; failed is nil before.
	stamps map[v1.Hash]string
	failed map[v1.Hash]bool
}

// round looks at all blobs, repairs, and writes down how the store is.
func (r *repairer) round(ctx context.Context, masters []netip.Addr, now time.Time) (store.State, error) {
	var peer store.Peer = nobody{}
	if len(masters) > 0 {
		config, err := certificate.FilesOf(r.paths).TLS()
		if err != nil {
			return store.State{}, err
		}
		remote, err := store.NewRemote(masters, config, nil)
		if err != nil {
			return store.State{}, err
		}
		defer remote.Close()
		peer = remote
	}
	return r.repair(ctx, peer, now)
}

func (r *repairer) repair(ctx context.Context, from store.Peer, now time.Time) (store.State, error) {
	last, err := store.ReadState(r.paths.StoreState())
	if err != nil {
		last = store.State{Verified: now} // what was imported was checked then
	}
	// An agent that has started anew does not know which blobs are damaged.
	all := now.Sub(last.Verified) >= verifyInterval || r.failed == nil && last.Problem != ""
	seen := map[v1.Hash]string{}
	found, err := r.store.Repair(ctx, from, func(digest v1.Hash) bool {
		seen[digest] = r.store.Stamp(digest)
		known, before := r.stamps[digest]
		return all || r.failed[digest] || before && known != seen[digest]
	})
	if ctx.Err() != nil {
		return store.State{}, err
	}
	state := store.State{Checked: now, Verified: last.Verified, Blobs: found.Blobs, Repaired: found.Repaired, RepairedAt: last.RepairedAt}
	if found.Repaired > 0 {
		state.RepairedAt = now
	}
	if found.Complete {
		// One blob that nobody has is no reason to read all others again and again.
		r.stamps, r.failed = seen, map[v1.Hash]bool{}
		for _, digest := range found.Failed {
			delete(r.stamps, digest)
			r.failed[digest] = true
		}
		if all {
			state.Verified = now
		}
	}
	if err != nil {
		err = r.explain(err, from, found.Failed)
		state.Problem = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return state, errors.Join(err, state.Write(r.paths.StoreState()))
}

// explain adds how a lone master is repaired, which nobody can do for it.
func (r *repairer) explain(err error, from store.Peer, failed []v1.Hash) error {
	if _, alone := from.(nobody); !alone || len(failed) == 0 {
		return err
	}
	return fmt.Errorf("there is no other master to get blobs from; put each back from the bundle, as with "+
		"'tar -xOf BUNDLE packages/blobs/sha256/%s | install -D -m 644 /dev/stdin %s': %w", failed[0].Hex, r.store.BlobFile(failed[0]), err)
}

// nobody is there from whom a lone master could get blobs.
type nobody struct{}

func (nobody) Fetch(_ context.Context, _ string, digest v1.Hash, _ bool) (io.ReadCloser, int64, error) {
	return nil, 0, fmt.Errorf("blob %s is missing or damaged", digest)
}
