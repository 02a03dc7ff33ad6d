package bootstrap

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

const (
	// repairInterval is how often a master looks for blobs that are missing, and
	// verifyInterval how often it reads all of them.
	repairInterval = 5 * time.Minute
	verifyInterval = 24 * time.Hour
)

// Repair keeps the package store of a master whole until the context ends: what
// is missing or damaged comes from other masters. On other nodes it only waits.
func Repair(ctx context.Context, p paths.Paths, n *node.Node, log *slog.Logger) error {
	verified := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(repairInterval):
		}
		masters, err := node.ReadMasters(p)
		masters = slices.DeleteFunc(masters, func(master netip.Addr) bool { return master == n.Address })
		if !n.Master || err != nil || len(masters) == 0 {
			continue
		}
		verify := time.Since(verified) >= verifyInterval
		repaired, err := repair(ctx, p, masters, verify)
		if verify {
			verified = time.Now()
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("the package store is not whole", "error", err)
		}
		if repaired > 0 {
			log.Info("the package store was repaired", "blobs", repaired)
		}
	}
}

func repair(ctx context.Context, p paths.Paths, masters []netip.Addr, verify bool) (int, error) {
	config, err := certificate.FilesOf(p).TLS()
	if err != nil {
		return 0, err
	}
	remote, err := store.NewRemote(masters, config, nil)
	if err != nil {
		return 0, err
	}
	defer remote.Close()
	return store.New(p.Store()).Repair(ctx, remote, verify)
}
