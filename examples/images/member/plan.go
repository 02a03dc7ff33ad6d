package member

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// start is how etcd is started.
type start struct {
	state   string // new or existing
	token   string
	cluster []string // NAME=URL
}

// waitError says for what a member waits.
type waitError string

func (e waitError) Error() string { return string(e) }

// plan finds out how to start. A waitError means to ask again later; other
// errors are for people.
func (m *Member) plan(ctx context.Context) (start, error) {
	own, err := m.volume.identity()
	if err != nil {
		return start{}, err
	}
	cluster, unavailable := m.ask(ctx)
	if unavailable == nil {
		defer func() { _ = cluster.client.Close() }()
	}
	if own != nil {
		if unavailable != nil || cluster.has(own.member) {
			return start{state: "existing", token: "-", cluster: m.configured()}, nil
		}
		if own.cluster != cluster.id {
			return start{}, fmt.Errorf("the volume has data of cluster %x, and the others are cluster %x: remove what is not needed", own.cluster, cluster.id)
		}
		m.Log.Warn("this member was removed from the cluster; its data is set aside", "member", fmt.Sprintf("%x", own.member))
		if err := m.volume.setAside(own.member); err != nil {
			return start{}, err
		}
	}
	if unavailable == nil {
		return m.join(ctx, cluster)
	}
	return m.found(ctx, unavailable)
}

// cluster is what a majority of the members says.
type cluster struct {
	client  *clientv3.Client
	id      uint64
	members []*etcdserverpb.Member
}

// ask gets the list of members from the others. It is an error if there is no
// majority that agrees on it.
func (m *Member) ask(ctx context.Context) (*cluster, error) {
	var endpoints []string
	for _, peer := range m.others {
		endpoints = append(endpoints, peer.clientURL())
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: m.Patience, Context: ctx, Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, m.Patience)
	defer cancel()
	list, err := client.MemberList(bounded) // needs a majority: it is linearizable
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("no majority of the others answers: %w", err)
	}
	return &cluster{client: client, id: list.Header.ClusterId, members: list.Members}, nil
}

func (c *cluster) has(id uint64) bool {
	return slices.ContainsFunc(c.members, func(member *etcdserverpb.Member) bool { return member.ID == id })
}

// join becomes a new member in place of the one of the same name, whose data is
// gone. What it asks for needs a majority of the others each time.
func (m *Member) join(ctx context.Context, c *cluster) (start, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*m.Patience)
	defer cancel()
	joining, err := m.volume.joining()
	if err != nil {
		return start{}, err
	}
	if joining != 0 && c.has(joining) {
		return m.joinAs(c.members), nil
	}
	for _, member := range c.members {
		if member.Name != m.self.Name && !slices.Contains(member.PeerURLs, m.self.peerURL()) {
			continue
		}
		m.Log.Warn("the data of this member is gone; it is removed to be added anew", "member", fmt.Sprintf("%x", member.ID))
		if _, err := c.client.MemberRemove(ctx, member.ID); err != nil {
			return start{}, waitError("the others do not remove the lost member: " + err.Error())
		}
	}
	added, err := c.client.MemberAdd(ctx, []string{m.self.peerURL()})
	if err != nil {
		return start{}, waitError("the others do not add a member: " + err.Error())
	}
	if err := m.volume.setJoining(added.Member.ID); err != nil {
		return start{}, err
	}
	return m.joinAs(added.Members), nil
}

func (m *Member) joinAs(members []*etcdserverpb.Member) start {
	s := start{state: "existing", token: "-"}
	for _, member := range members {
		name := member.Name
		for _, peer := range m.Peers {
			if slices.Contains(member.PeerURLs, peer.peerURL()) {
				name = peer.Name // one that has not started yet tells none
			}
		}
		for _, url := range member.PeerURLs {
			s.cluster = append(s.cluster, name+"="+url)
		}
	}
	slices.Sort(s.cluster)
	return s
}

// found founds a cluster with the others, if all of them are new.
func (m *Member) found(ctx context.Context, unavailable error) (start, error) {
	agreed, err := m.volume.agreement()
	if err != nil {
		return start{}, err
	}
	if agreed == nil {
		greetings, err := m.greetings(ctx)
		if err != nil {
			return start{}, waitError(err.Error())
		}
		if agreed, err = agree(m.self.Name, m.volume.number, greetings); err != nil {
			return start{}, waitError(fmt.Sprintf("%v (%v)", err, unavailable))
		}
		if err := m.volume.setAgreement(agreed); err != nil {
			return start{}, err
		}
	}
	return start{state: "new", token: token(agreed), cluster: m.configured()}, nil
}

// agree combines what the others say into the numbers of all volumes. It is an
// error if one of them has data, or agreed on a founding without this volume.
func agree(name, number string, others []greeting) (map[string]string, error) {
	agreed := map[string]string{name: number}
	for _, other := range others {
		if other.Agreed == nil && other.Data {
			return nil, fmt.Errorf("%s has data, so there is a cluster already: it needs a majority", other.Name)
		}
		agreed[other.Name] = other.Number
	}
	for _, other := range others {
		if other.Agreed == nil {
			continue
		}
		if other.Agreed[name] != number {
			return nil, fmt.Errorf("%s founded a cluster without this volume: it needs a majority", other.Name)
		}
		agreed = other.Agreed // even if a third volume was lost meanwhile
	}
	return agreed, nil
}

// token names the cluster that is founded: etcd refuses members with another.
func token(agreed map[string]string) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(agreed)) {
		_, _ = fmt.Fprintf(sum, "%s=%s\n", name, agreed[name])
	}
	return "ledger-" + hex.EncodeToString(sum.Sum(nil)[:8])
}

// configured is the list of members that the cluster began with. It only counts
// when etcd starts without data.
func (m *Member) configured() []string {
	var members []string
	for _, peer := range m.Peers {
		members = append(members, peer.Name+"="+strings.TrimSuffix(peer.peerURL(), "/"))
	}
	return members
}
