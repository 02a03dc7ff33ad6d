package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/membership"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
)

// gossip takes part in the membership of nodes.
func (a *agent) gossip(ctx context.Context) error {
	epoch := a.epoch()
	key, err := a.membershipKey(ctx, epoch)
	if err != nil {
		return fmt.Errorf("the key of the membership: %w", err)
	}
	role := member.Worker
	if a.node.Master {
		role = member.Master
	}
	members := membership.New(membership.Options{
		Cluster: a.node.Cluster, Address: a.node.Address, Role: role, Node: a.node.Name, Key: key, Log: a.log,
		Peers: func() ([]netip.Addr, error) { return node.ReadMasters(a.paths) },
	})
	a.host.members.Store(members)
	var forgetting sync.WaitGroup
	defer forgetting.Wait()
	ending, end := context.WithCancel(ctx)
	defer end()
	forgetting.Go(func() { a.rekey(ending, members, epoch) })
	if a.node.Master {
		forgetting.Go(func() { a.forget(ending, members) })
	}
	return members.Run(ctx)
}

// epoch is another one after each removal of a node.
func (a *agent) epoch() string {
	removals, err := node.ReadRemovals(a.paths)
	if err != nil {
		a.log.Warn("which nodes were removed is not known", "error", err)
	}
	return removals.Epoch()
}

// epochInterval is how often it is looked whether a node was removed.
const epochInterval = 3 * time.Second

// rekey takes the key of each new epoch, so that a node that was removed does not
// hear the others any more. A master that was removed can derive every key: its
// authority is that of the cluster.
func (a *agent) rekey(ctx context.Context, members *membership.Membership, epoch string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(epochInterval):
		}
		next := a.epoch()
		if next == epoch {
			continue
		}
		key, err := a.membershipKey(ctx, next)
		if err == nil {
			err = members.Rekey(ctx, key)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			a.log.Warn("cannot take the next key of the membership", "error", err)
			continue
		}
		a.log.Info("the membership has another key, since a node was removed")
		epoch = next
	}
}

// membershipKey is the cluster's in an epoch: a master derives it, others ask one.
func (a *agent) membershipKey(ctx context.Context, epoch string) ([]byte, error) {
	if a.node.Master {
		return a.host.MembershipKey(epoch)
	}
	return membership.EnsureKey(a.paths.MembershipKey(), func() ([]byte, error) {
		masters, err := node.ReadMasters(a.paths)
		if err != nil {
			return nil, err
		}
		for _, master := range masters {
			key, askErr := askKey(ctx, certificate.FilesOf(a.paths), master, epoch)
			if askErr == nil {
				return key, nil
			}
			err = errors.Join(err, askErr)
		}
		return nil, err
	})
}

func askKey(ctx context.Context, files certificate.Files, master netip.Addr, epoch string) ([]byte, error) {
	client, err := rpc.Dial(files, rpc.AddressOf(master))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.MembershipKey(ctx, epoch)
}

// forgetInterval is how often a master looks for members that are no nodes.
const forgetInterval = 30 * time.Second

// forget takes members that have failed off the list when they are no nodes of
// the cluster any more.
func (a *agent) forget(ctx context.Context, members *membership.Membership) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(forgetInterval):
		}
		if err := a.forgetOnce(ctx, members); err != nil {
			a.log.Debug("cannot compare members and nodes", "error", err)
		}
	}
}

func (a *agent) forgetOnce(ctx context.Context, members *membership.Membership) error {
	var gone []membership.Member
	for _, known := range members.Members() {
		if known.Status == "failed" || known.Status == "left" {
			gone = append(gone, known)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	client, err := kube.Open(a.paths.KubernetesFile("admin.conf"))
	if err != nil {
		return err
	}
	nodes, err := member.List(ctx, client)
	if err != nil {
		return err
	}
	names := make(map[string]bool, len(nodes))
	for _, each := range nodes {
		if address, err := each.Address(); err == nil {
			names[membership.NameOf(address, a.node.Cluster)] = true
		}
	}
	for _, each := range gone {
		if names[each.Name] {
			continue
		}
		if err := members.Forget(each.Name); err != nil {
			return err
		}
	}
	return nil
}
