package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/etcd"
)

// replace removes the members of etcd whose masters are lost. A cluster of three
// that has lost one can lose no other, and neither can one of two: nothing is
// risked, and etcd takes new members again.
func (w *work) replace(ctx context.Context) (any, error) {
	if !w.join.Master {
		return nil, refuse(http.StatusForbidden, errors.New("only masters replace masters"))
	}
	nodes, err := members(ctx, w.client)
	if err != nil {
		return nil, err
	}
	client := etcd.New(container.New(w.paths))
	found, err := client.Members(ctx, true)
	if err != nil {
		return nil, err
	}
	lost, err := replaceable(found, nodes, time.Now())
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, err) // it comes back, or is lost soon
	}
	for _, m := range lost {
		if err := etcd.CheckRemoval(found, m); err != nil {
			return nil, refuse(http.StatusConflict, fmt.Errorf("cannot replace master %s: %w", m.Name, err))
		}
		w.log.Warn("a lost master is replaced: its member of etcd is removed", "master", m.Name, "by", w.join.Name)
		if err := client.Remove(ctx, m.ID); err != nil {
			return nil, err
		}
	}
	return struct{}{}, nil
}

// replaceable are the members of etcd that do not answer. It fails if that of a
// master is among them that may come back.
func replaceable(found []etcd.Member, nodes []member, now time.Time) ([]etcd.Member, error) {
	var lost []etcd.Member
	for _, m := range found {
		if m.Healthy || m.Learner {
			continue
		}
		i := slices.IndexFunc(nodes, func(n member) bool { return m.At(n.name, n.address) })
		if i >= 0 && !nodes[i].lost(now) {
			return nil, fmt.Errorf("etcd takes no new member while that of master %s does not answer", m.Name)
		}
		lost = append(lost, m)
	}
	return lost, nil
}
