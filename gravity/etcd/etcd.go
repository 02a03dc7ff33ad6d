// Package etcd asks a master's etcd about its cluster and changes which members
// it has, by the runtime's etcdctl.
package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
)

// Executor runs programs in the master container; *container.Container is one.
type Executor interface {
	// Exec runs a program to its end and returns its standard output, also if it
	// fails.
	Exec(ctx context.Context, command container.Command) (string, error)
}

// Client asks the etcd of this node.
type Client struct{ in Executor }

// New returns a client. Nothing is asked yet.
func New(in Executor) *Client { return &Client{in: in} }

// Member is a member of the cluster.
type Member struct {
	ID uint64
	// Name is the node's; it is empty before the member has started.
	Name string
	// Addresses are those of the member's peers.
	Addresses []netip.Addr
	// Learner tells members that do not vote yet.
	Learner bool
	// Healthy tells whether it answers; Members does not ask.
	Healthy bool
}

// At tells whether this is the member of a node.
func (m Member) At(node string, address netip.Addr) bool {
	return m.Name != "" && m.Name == node || slices.Contains(m.Addresses, address)
}

// seconds bounds each request.
const seconds = "10s"

func (c *Client) run(ctx context.Context, args ...string) (string, error) {
	const certificates = "/etc/kubernetes/pki/etcd/"
	command := []string{
		"etcdctl", "--endpoints=https://127.0.0.1:2379", "--command-timeout=" + seconds, "--dial-timeout=5s",
		"--cacert=" + certificates + "ca.crt", "--cert=" + certificates + "healthcheck-client.crt", "--key=" + certificates + "healthcheck-client.key",
	}
	text, err := c.in.Exec(ctx, container.Command{Args: append(command, args...)})
	if failed, ok := errors.AsType[*container.CommandError](err); ok {
		err = brief(failed, args)
	}
	return text, err
}

// brief is a failure without the flags that are always the same, and with what
// etcdctl says last instead of its log.
func brief(failed *container.CommandError, args []string) error {
	const last = "Error: "
	told := *failed
	told.Args = append([]string{"etcdctl"}, args...)
	if at := strings.LastIndex(told.Tail, last); at >= 0 {
		told.Tail = told.Tail[at+len(last):]
	}
	return &told
}

// Members lists the members, with their health if that is asked for.
func (c *Client) Members(ctx context.Context, health bool) ([]Member, error) {
	text, err := c.run(ctx, "member", "list", "--write-out=json")
	if err != nil {
		return nil, fmt.Errorf("list the members of etcd: %w", err)
	}
	members, clients, err := parseMembers(text)
	if err != nil || !health {
		return members, err
	}
	// It fails if one member is not healthy, and has told of all.
	text, err = c.run(ctx, "endpoint", "health", "--cluster", "--write-out=json")
	healthy, parseErr := parseHealth(text)
	if parseErr != nil {
		if err != nil {
			parseErr = err
		}
		return nil, fmt.Errorf("ask for the health of etcd: %w", parseErr)
	}
	for i := range members {
		members[i].Healthy = slices.ContainsFunc(clients[i], func(endpoint string) bool { return healthy[endpoint] })
	}
	return members, nil
}

const (
	// settling is how long Remove goes on when etcd refuses, and settlingInterval the
	// time between two tries. etcd counts a member as lost until it has been reached
	// for 5 s without a break, so one that was just started again makes it refuse.
	settling         = 30 * time.Second
	settlingInterval = time.Second
	// unhealthy is what etcd says then, and also when its quorum would be lost.
	unhealthy = "etcdserver: unhealthy cluster"
)

// Remove removes a member. One that is not there is no error. While etcd refuses
// because it does not reach enough members, it is asked again for half a minute.
func (c *Client) Remove(ctx context.Context, id uint64) error {
	for deadline := time.Now().Add(settling); ; {
		_, err := c.run(ctx, "member", "remove", strconv.FormatUint(id, 16))
		if err == nil {
			return nil
		}
		members, listErr := c.Members(ctx, false)
		if listErr == nil && !slices.ContainsFunc(members, func(m Member) bool { return m.ID == id }) {
			return nil
		}
		err = fmt.Errorf("remove member %x of etcd: %w", id, err)
		if !strings.Contains(err.Error(), unhealthy) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(settlingInterval):
		}
	}
}

// maxMembers is more than any cluster has.
const maxMembers = 100

// parseMembers reads what etcdctl prints, and the clients' addresses of each
// member.
func parseMembers(text string) ([]Member, [][]string, error) {
	var list struct {
		Members []struct {
			ID         uint64   `json:"ID"`
			Name       string   `json:"name"`
			PeerURLs   []string `json:"peerURLs"`
			ClientURLs []string `json:"clientURLs"`
			IsLearner  bool     `json:"isLearner"`
		} `json:"members"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, nil, fmt.Errorf("read the members of etcd: %w", err)
	}
	if len(list.Members) == 0 || len(list.Members) > maxMembers {
		return nil, nil, fmt.Errorf("etcd says that it has %d members", len(list.Members))
	}
	var members []Member
	var clients [][]string
	for _, found := range list.Members {
		m := Member{ID: found.ID, Name: found.Name, Learner: found.IsLearner}
		for _, peer := range found.PeerURLs {
			parsed, err := url.Parse(peer)
			if err != nil {
				return nil, nil, fmt.Errorf("member %x of etcd: %w", found.ID, err)
			}
			if address, err := netip.ParseAddr(parsed.Hostname()); err == nil {
				m.Addresses = append(m.Addresses, address.Unmap())
			}
		}
		members, clients = append(members, m), append(clients, found.ClientURLs)
	}
	return members, clients, nil
}

func parseHealth(text string) (map[string]bool, error) {
	var list []struct {
		Endpoint string `json:"endpoint"`
		Health   bool   `json:"health"`
	}
	if err := json.Unmarshal([]byte(strings.TrimSpace(text)), &list); err != nil {
		return nil, err
	}
	healthy := make(map[string]bool, len(list))
	for _, endpoint := range list {
		healthy[endpoint.Endpoint] = endpoint.Health
	}
	return healthy, nil
}

// CheckRemoval fails if the members that are left would have no quorum without
// some of them. It is about the members as they are, with their health.
func CheckRemoval(members []Member, remove Member) error {
	var left, healthy int
	var ill []string
	for _, m := range members {
		if m.ID == remove.ID || m.Learner {
			continue
		}
		left++
		if m.Healthy {
			healthy++
		} else {
			ill = append(ill, m.Name)
		}
	}
	if quorum := left/2 + 1; healthy < quorum {
		return &QuorumError{Left: left, Healthy: healthy, Ill: ill}
	}
	return nil
}

// QuorumError is about a removal that would cost etcd its quorum.
type QuorumError struct {
	// Left is how many members would be left, Healthy how many of them answer.
	Left, Healthy int
	// Ill are the names of those that do not.
	Ill []string
}

// Error has the numbers.
func (e *QuorumError) Error() string {
	if e.Left == 0 {
		return "it is the last member of etcd"
	}
	return fmt.Sprintf("etcd would lose its quorum: %d of %d members would be healthy, not %s", e.Healthy, e.Left, strings.Join(e.Ill, ", "))
}
