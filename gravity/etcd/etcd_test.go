package etcd

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
)

const list = `{"header":{"cluster_id":1,"member_id":2},"members":[` +
	`{"ID":17276088236423711741,"name":"node-1","peerURLs":["https://192.0.2.1:2380"],"clientURLs":["https://192.0.2.1:2379"]},` +
	`{"ID":2,"peerURLs":["https://[2001:db8::2]:2380"],"isLearner":true}]}`

// answers gives answers to commands, by the words after the flags.
type answers struct {
	texts map[string]string
	asked []string
	// unhealthy is for how long etcd refuses to remove members.
	unhealthy time.Duration
	began     time.Time
}

func (a *answers) Exec(_ context.Context, command container.Command) (string, error) {
	words := slices.DeleteFunc(slices.Clone(command.Args[1:]), func(arg string) bool { return strings.HasPrefix(arg, "--") })
	asked := strings.Join(words, " ")
	a.asked = append(a.asked, asked)
	if strings.HasPrefix(asked, "member remove") && time.Since(a.began) < a.unhealthy {
		return "", &container.CommandError{
			Args: command.Args, ExitCode: 1, Err: errors.New("exit status 1"),
			Tail: `{"level":"warn","msg":"retrying of unary invoker failed"}; Error: etcdserver: unhealthy cluster`,
		}
	}
	text, ok := a.texts[asked]
	if !ok || asked == "endpoint health" {
		return text, errors.New("exit status 1")
	}
	return text, nil
}

func TestMembers(t *testing.T) {
	in := &answers{texts: map[string]string{
		"member list":     list,
		"endpoint health": `[{"endpoint":"https://192.0.2.1:2379","health":true,"took":"5ms"},{"endpoint":"https://[2001:db8::2]:2379","health":false,"error":"no"}]` + "\n",
	}}
	got, err := New(in).Members(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	want := []Member{
		{ID: 17276088236423711741, Name: "node-1", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Healthy: true},
		{ID: 2, Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::2")}, Learner: true},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if !got[1].At("node-2", netip.MustParseAddr("2001:db8::2")) || got[1].At("", netip.Addr{}) {
		t.Error("a member is not found by its address, or without one")
	}
}

func TestRemove(t *testing.T) {
	in := &answers{texts: map[string]string{"member list": list, "member remove 2": "done"}}
	client := New(in)
	if err := client.Remove(t.Context(), 2); err != nil {
		t.Error(err)
	}
	if err := client.Remove(t.Context(), 3); err != nil {
		t.Errorf("one that has gone: %v", err)
	}
	if err := client.Remove(t.Context(), 17276088236423711741); err == nil || !strings.Contains(err.Error(), "efc0feb7e8570bfd") {
		t.Errorf("one that stays: %v", err)
	}
}

// TestRemoveWhenUnhealthy has etcd refuse for a while, as it does for 5 s after a
// member has come back, and for ever.
func TestRemoveWhenUnhealthy(t *testing.T) {
	for _, test := range []struct {
		unhealthy, patience, took time.Duration
		want                      string
	}{
		{5 * time.Second, time.Hour, 5 * time.Second, ""},
		{time.Hour, time.Hour, 31 * time.Second, "remove member 2 of etcd: etcdctl member remove 2: exit status 1: etcdserver: unhealthy cluster"},
		{time.Hour, 2500 * time.Millisecond, 2500 * time.Millisecond, "deadline exceeded"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), test.patience)
			defer cancel()
			in := &answers{texts: map[string]string{"member list": list, "member remove 2": "done"}, unhealthy: test.unhealthy, began: time.Now()}
			err := New(in).Remove(ctx, 2)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "unhealthy")) {
				t.Errorf("refused for %s: %v, want %q", test.unhealthy, err, test.want)
			}
			if took := time.Since(in.began); took != test.took {
				t.Errorf("refused for %s: it took %s, want %s", test.unhealthy, took, test.took)
			}
		})
	}
}

func TestCheckRemoval(t *testing.T) {
	members := func(states string) []Member {
		var all []Member
		for i, state := range states {
			all = append(all, Member{ID: uint64(i), Name: string(rune('a' + i)), Healthy: state != 'x', Learner: state == 'l'})
		}
		return all
	}
	for _, test := range []struct {
		states string // the first is removed; x is ill, l a learner
		want   string
	}{
		{"ooo", ""},
		{"xoo", ""},
		{"oo", ""},
		{"o", "last member"},
		{"oox", "1 of 2 members would be healthy, not c"},
		{"xxo", "not b"},
		{"oooxx", "2 of 4 members"},
		{"xooox", ""},
		{"ool", ""},
		{"ol", "last member"},
	} {
		all := members(test.states)
		err := CheckRemoval(all, all[0])
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.states, err, test.want)
		}
	}
}

func FuzzParseMembers(f *testing.F) {
	f.Add(list)
	f.Add(`{"members":[{"peerURLs":["http://%"]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		members, clients, err := parseMembers(text)
		if err == nil && (len(members) == 0 || len(members) != len(clients)) {
			t.Errorf("%d members, %d lists of clients", len(members), len(clients))
		}
	})
}
