package recovery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// resolverVariable makes this program ask a DNS server for the leader.
const resolverVariable = "GRAVITY_TEST_RESOLVER"

// resolve prints the addresses that the leader's name has, sorted.
func resolve(server string) int {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(server, "53"))
	}}
	found, err := resolver.LookupHost(context.Background(), "leader.telekube.local.")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	slices.Sort(found)
	fmt.Println(strings.Join(found, " "))
	return 0
}

// leader takes the agent away that leads: another one does, the leader's names lead
// to masters that serve, and all masters tell of the node that does not answer.
func (s *site) leader(ctx context.Context) {
	s.names(ctx, 1, s.addressesOf(1, 2, 3)...)
	leads := s.leads(ctx, 1)
	s.Logf("node-%d leads", leads)
	var others []int
	for n := 1; n <= 3; n++ {
		if n != leads {
			others = append(others, n)
		}
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	host := new(pressure)
	go host.watch(watching)
	began := time.Now()
	s.do(ctx, s.machines[leads-1].Cut)
	s.until(ctx, others[0], fmt.Sprintf("lead=$(%s); test \"$lead\" && test \"$lead\" != node-%d", leaseHolder, leads))
	s.within(host, began, maxElection, "another master leads")
	s.names(ctx, others[0], s.addressesOf(others...)...)
	s.within(host, began, maxNotice, "pods are told of living masters only")
	for _, n := range others {
		s.endpoint(ctx, n, leads)
	}
	s.do(ctx, s.machines[leads-1].Heal)
	s.names(ctx, others[0], s.addressesOf(1, 2, 3)...)
	s.well(ctx, others[0])
}

// maxElection is how long there may be no leader.
const maxElection = 20 * time.Second

// within wants something to have come in time, unless this host was too slow for that.
func (s *site) within(host *pressure, began time.Time, limit time.Duration, what string) {
	s.Helper()
	took := time.Since(began)
	text := fmt.Sprintf("%5.1f s until %s", took.Seconds(), what)
	if !s.judge(text, took, limit, host.starved(began, began.Add(took))) {
		s.Log(text)
	}
}

const leaseHolder = "kubectl get lease -n gravity-system leader -o jsonpath={.spec.holderIdentity}"

// leads is the master that leads.
func (s *site) leads(ctx context.Context, ask int) int {
	s.Helper()
	var n int
	if _, err := fmt.Sscanf(s.must(ctx, ask, leaseHolder), "node-%d", &n); err != nil {
		s.Fatal(err)
	}
	return n
}

func (s *site) addressesOf(nodes ...int) []string {
	var addresses []string
	for _, n := range nodes {
		addresses = append(addresses, s.addresses[n-1].String())
	}
	slices.Sort(addresses)
	return addresses
}

// names waits until the cluster's DNS has these addresses for the leader.
func (s *site) names(ctx context.Context, ask int, want ...string) {
	s.Helper()
	s.until(ctx, ask, fmt.Sprintf(`server=$(kubectl get service -n kube-system kube-dns -o jsonpath={.spec.clusterIP})
found=$(%s=$server /root/caller) && test "$found" = %q || { echo "$found"; false; }`, resolverVariable, strings.Join(want, " ")))
}

// endpoint wants a master's endpoint to show all nodes, with the silent one.
func (s *site) endpoint(ctx context.Context, n, silent int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		text, err := s.run(ctx, n, "curl -sk https://localhost:7575")
		var found report.Health
		if err == nil {
			err = json.Unmarshal([]byte(text), &found)
		}
		states := map[string]string{}
		for _, one := range found.Nodes {
			states[one.MemberStatus.Tags["nodename"]] = one.Status + " " + one.MemberStatus.Status
		}
		lost := fmt.Sprintf("node-%d", silent)
		if found.Status == report.HealthDegraded && len(states) == 4 && states[lost] == "unknown failed" {
			return
		}
		select {
		case <-ctx.Done():
			installtest.Diagnose(s.T, s.machines[n-1])
			s.Fatalf("node-%d shows %v (%v), want node-%d to be silent", n, states, err, silent)
		case <-time.After(time.Second):
		}
	}
}
