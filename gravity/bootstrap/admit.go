package bootstrap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const (
	// maxMasters is how many nodes become masters whose profile does not say so
	// (S17), and maxJoins how many join at a time (S13).
	maxMasters = 3
	maxJoins   = 5
	// abandoned is how long a join keeps its place that nobody hears from.
	abandoned = 10 * time.Minute
	// lostTime is how long a master that does not report keeps its place among the
	// masters: Kubernetes has waited for it before, and a machine that starts again
	// takes less.
	lostTime = time.Minute
)

// join is a node on its way into the cluster.
type join struct {
	Request
	// Master tells whether it becomes a master.
	Master bool `json:"master"`
	// Heard is when the last request about it came.
	Heard time.Time `json:"heard"`
}

// member is a node of the cluster.
type member struct {
	name    string
	address netip.Addr
	master  bool
	// silent tells that its kubelet does not report, and since when.
	silent bool
	since  time.Time
}

// lost tells whether a node is silent for so long that another may take its place.
func (m member) lost(now time.Time) bool { return m.silent && now.Sub(m.since) >= lostTime }

// admission decides whether a machine may join, and as what.
type admission struct {
	facts    *cluster.Facts
	manifest *manifest.Manifest
	members  []member
	// joins are those on their way, by operation; abandoned ones are gone.
	joins map[string]join
}

// admit makes a place among the joins. Asked again by the same operation, it
// gives the same one.
func (a *admission) admit(r Request, now time.Time) (join, error) {
	if err := a.check(r); err != nil {
		return join{}, err
	}
	if known, ok := a.joins[r.Operation]; ok {
		if !known.of(r) {
			return join{}, fmt.Errorf("operation %s is that of node %s", r.Operation, known.Name)
		}
		known.Heard = now
		return known, nil
	}
	for _, m := range a.members {
		if m.name == r.Name || m.address == r.Address {
			return join{}, registered(m.name)
		}
	}
	if err := a.checkNamesake(r); err != nil {
		return join{}, err
	}
	others := a.others(r)
	masters := a.masters(others, func(m member) bool { return !m.lost(now) })
	profile, err := a.profile(r.Role, masters)
	if err != nil {
		return join{}, err
	}
	r.Role = profile.Name
	joining := join{Request: r, Master: becomesMaster(profile, masters), Heard: now}
	if err := checkOthers(joining, others); err != nil {
		return joining, err
	}
	heard := a.masters(others, func(m member) bool { return !m.silent })
	if joining.Master || becomesMaster(profile, heard) {
		return joining, a.checkSilent(now)
	}
	return joining, nil
}

// checkSilent refuses what could be a master while it cannot be told whether one of
// those that there are is lost: etcd takes no new member beside one that is silent,
// and a member that is replaced does not come back.
func (a *admission) checkSilent(now time.Time) error {
	for _, m := range a.members {
		if m.master && m.silent && !m.lost(now) {
			return cli.WithHint(fmt.Errorf("master %s does not answer, and may just be starting: whether this node replaces it cannot be told yet", m.name),
				"try again when it has come back, or in a minute: then this node replaces it; or remove it before, 'gravity remove %s --force'", m.name)
		}
	}
	return nil
}

// check refuses what cannot be a node.
func (a *admission) check(r Request) error {
	if problems := validation.IsDNS1123Subdomain(r.Name); len(problems) > 0 || len(r.Name) > validation.DNS1123LabelMaxLength {
		return cli.WithHint(fmt.Errorf("the host name %q cannot be the name of a node", r.Name),
			"set one of lower-case letters, digits and hyphens with 'hostnamectl hostname'")
	}
	if !r.Address.Is4() || r.Address.IsLoopback() || r.Address.IsUnspecified() || r.Address.IsMulticast() {
		return fmt.Errorf("%s cannot be the address of a node", r.Address)
	}
	for what, network := range map[string]netip.Prefix{"pods": a.facts.PodNetwork, "services": a.facts.ServiceNetwork} {
		if network.Contains(r.Address) {
			return fmt.Errorf("address %s is in the network of %s, %s", r.Address, what, network)
		}
	}
	return checkState(a.facts.State)
}

// checkState refuses a cluster that something else is about to change. More nodes may
// be what an application lacks that is degraded.
func checkState(state string) error {
	if state == cluster.StateActive || state == stateDegraded {
		return nil
	}
	err := fmt.Errorf("cannot expand %s cluster", state)
	if state == cluster.StateShrinking {
		return cli.Busy(err)
	}
	return err
}

const stateDegraded = "degraded"

func registered(name string) error {
	return fmt.Errorf("node %s is already registered, remove it using 'gravity remove %s --force' first", name, name)
}

// checkNamesake refuses a machine that has the name or the address of another one
// that is joining, such as a clone of it.
func (a *admission) checkNamesake(r Request) error {
	for _, j := range a.joins {
		const again = "; or, if that join was given up, try again in ten minutes"
		switch {
		case j.of(r):
		case j.Name == r.Name:
			return cli.WithHint(fmt.Errorf("node %s is joining already, from %s", j.Name, j.Address),
				"give this machine another host name with 'hostnamectl hostname NAME'"+again)
		case j.Address == r.Address:
			return cli.WithHint(fmt.Errorf("address %s is that of node %s, which is joining", j.Address, j.Name),
				"give this machine another address"+again)
		}
	}
	return nil
}

// of tells whether a join is that of the machine that asks.
func (j *join) of(r Request) bool { return j.Name == r.Name && j.Address == r.Address }

// others are the joins of other machines: what this machine began before, with
// another operation, is void.
func (a *admission) others(r Request) []join {
	var others []join
	for _, j := range a.joins {
		if !j.of(r) {
			others = append(others, j)
		}
	}
	return others
}

// profile finds the node profile that was asked for or, by itself, the one that
// suits (S13).
func (a *admission) profile(role string, masters int) (manifest.NodeProfile, error) {
	profiles := a.manifest.NodeProfiles
	var names []string
	for _, profile := range profiles {
		names = append(names, profile.Name)
	}
	if role != "" {
		profile, ok := a.manifest.Profile(role)
		if !ok {
			return profile, cli.WithHint(fmt.Errorf("no profile found for role %q", role), "its node profiles are: %s", strings.Join(names, ", "))
		}
		return profile, nil
	}
	wanted := manifest.RoleNode
	if masters < maxMasters {
		wanted = manifest.RoleMaster
	}
	for _, profile := range profiles {
		if profile.ServiceRole == "" || profile.ServiceRole == wanted {
			return profile, nil
		}
	}
	if len(profiles) == 0 {
		return manifest.NodeProfile{}, errors.New("no profile found: the application has no node profiles")
	}
	return profiles[0], nil
}

// masters counts those that count, with those to be.
func (a *admission) masters(others []join, counts func(member) bool) (count int) {
	for _, m := range a.members {
		if m.master && counts(m) {
			count++
		}
	}
	for _, j := range others {
		if j.Master && !slices.ContainsFunc(a.members, func(m member) bool { return m.name == j.Name && m.master }) {
			count++
		}
	}
	return count
}

func becomesMaster(profile manifest.NodeProfile, masters int) bool {
	switch profile.ServiceRole {
	case manifest.RoleMaster:
		return true
	case manifest.RoleNode:
		return false
	}
	return masters < maxMasters
}

// checkOthers refuses what would join at the same time as others (S13): etcd
// changes by one member at a time.
func checkOthers(j join, others []join) error {
	const again = "try again when it has joined; 'gravity plan' on the other machine shows how far it is"
	for _, other := range others {
		if other.Master {
			return cli.Busy(cli.WithHint(fmt.Errorf("can't launch another expand while master node %s is joining", other.Address), again))
		}
	}
	if j.Master && len(others) > 0 {
		return cli.Busy(cli.WithHint(errors.New("can't join master node while another node is joining"), again))
	}
	if len(others) >= maxJoins {
		return cli.Busy(cli.WithHint(fmt.Errorf("at most %d nodes can be joining simultaneously", maxJoins), again))
	}
	return nil
}
