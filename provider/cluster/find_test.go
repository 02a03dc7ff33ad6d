package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

// Answers of gravity status.
const (
	good = `echo '{"cluster":{"domain":"shop","state":"active","nodes":[` +
		`{"hostname":"b","advertise_ip":"10.0.0.10","role":"master"},{"hostname":"c","advertise_ip":"10.0.0.3","role":"node"},` +
		`{"hostname":"a","advertise_ip":"10.0.0.9","role":"master","status":"offline"}]}}'; exit 3`
	worker    = `echo '{"cluster":{"domain":"shop","nodes":[{"hostname":"c","advertise_ip":"10.0.0.3","role":"node"}]}}'`
	starting  = `echo '{"cluster":{"domain":"shop","nodes":[{"hostname":"b","role":"master"}]},"error":"list the nodes: refused"}'; exit 3`
	nothing   = `echo '{"error":"no cluster is installed on this machine","code":1}' >&2; exit 1`
	broken    = `echo '{"error":"the disk is broken","code":1}' >&2; exit 1`
	slow      = `sleep 30`
	noProgram = ""
)

// machine serves a machine whose gravity behaves as a script says, and returns how
// to reach it.
func machine(t *testing.T, address, script string) Master {
	t.Helper()
	folder := t.TempDir()
	if script != noProgram {
		if err := os.WriteFile(filepath.Join(folder, "gravity"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	server := sshtest.New(t, sshtest.Options{Password: "open", Environment: []string{"PATH=" + folder + ":/usr/bin:/bin"}})
	master := At(address)
	master.Host, master.Port = types.StringValue("127.0.0.1"), types.Int64Value(int64(server.Port))
	master.HostKey = types.StringValue(server.HostKey)
	return master
}

// dead is a machine that nobody reaches.
func dead(t *testing.T) Master {
	t.Helper()
	master := machine(t, "10.0.0.8", good)
	master.Port = types.Int64Value(1)
	return master
}

// quick is a pace for machines that answer at once.
var quick = pace{headStart: 50 * time.Millisecond, patience: time.Minute, pause: 20 * time.Millisecond}

func reach(t *testing.T) *access.Access {
	t.Helper()
	pool := connection.NewPool(connection.PoolOptions{})
	t.Cleanup(pool.Close)
	return access.New(access.NewSettings(types.ObjectValueMust(
		map[string]attr.Type{"password": types.StringType, "timeout": types.StringType, "agent": types.BoolType},
		map[string]attr.Value{"password": types.StringValue("open"), "timeout": types.StringValue("2s"), "agent": types.BoolValue(false)},
	)), pool)
}

func TestFind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scripts []string // empty for a machine without gravity, "dead" for one that is
		cluster string
		want    string // of the error; empty for none
		absent  bool
	}{
		"one":                        {scripts: []string{good}, cluster: "shop"},
		"any cluster":                {scripts: []string{good}},
		"the first is dead":          {scripts: []string{"dead", good}, cluster: "shop"},
		"the first is slow":          {scripts: []string{slow, good}, cluster: "shop"},
		"the first was removed":      {scripts: []string{noProgram, good}, cluster: "shop"},
		"the first starts":           {scripts: []string{starting, good}, cluster: "shop"},
		"a worker does not speak":    {scripts: []string{worker, good}, cluster: "shop"},
		"only a worker":              {scripts: []string{worker}, cluster: "shop", want: "no master"},
		"dead":                       {scripts: []string{"dead"}, cluster: "shop", want: "no success"},
		"dead and gone is not gone":  {scripts: []string{"dead", noProgram}, cluster: "shop", want: "none of its 2 masters"},
		"fails and gone is not gone": {scripts: []string{broken, nothing}, cluster: "shop", want: "the disk is broken"},
		"all gone":                   {scripts: []string{noProgram, nothing}, cluster: "shop", want: "there is no such cluster", absent: true},
		"another cluster":            {scripts: []string{good}, cluster: "shed", want: "node of cluster shop", absent: true},
		"nobody":                     {cluster: "shop", want: "no master is known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var masters []Master
			for i, script := range test.scripts {
				if script == "dead" {
					masters = append(masters, dead(t))
				} else {
					masters = append(masters, machine(t, fmt.Sprintf("10.0.0.%d", 9+i), script))
				}
			}
			found, err := quick.find(t.Context(), reach(t), test.cluster, masters)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrAbsent) != test.absent {
					t.Fatalf("%v, want %q, absent %v", err, test.want, test.absent)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer found.Release()
			check(t, found, masters)
		})
	}
}

// check wants what good says.
func check(t *testing.T, found *Found, known []Master) {
	t.Helper()
	var got []string
	for _, master := range found.Masters(known) {
		got = append(got, master.Address.ValueString()+" "+master.Host.ValueString())
	}
	for i, address := range []string{"10.0.0.9", "10.0.0.10"} {
		host := ""
		for _, master := range known {
			if master.Address.ValueString() == address {
				host = master.Host.ValueString()
			}
		}
		if i >= len(got) || got[i] != address+" "+host {
			t.Errorf("the masters are %q", got)
		}
	}
	if node, ok := found.Member("10.0.0.9"); !ok || node.Status != StatusOffline {
		t.Errorf("the member is %+v", node)
	}
	if _, ok := found.Member("10.0.0.1"); ok {
		t.Error("a stranger is a member")
	}
}

// TestFindPatience: a cluster that starts is waited for.
func TestFindPatience(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "asked")
	master := machine(t, "10.0.0.9", "if [ -e "+file+" ]; then "+good+"; fi; touch "+file+"; "+starting)
	found, err := quick.find(t.Context(), reach(t), "shop", []Master{master})
	if err != nil {
		t.Fatal(err)
	}
	found.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := quick.find(ctx, reach(t), "shop", []Master{machine(t, "10.0.0.9", starting)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a cluster that does not start: %v", err)
	}
}

func TestList(t *testing.T) {
	other := At("10.0.0.2")
	other.Host, other.Port, other.User = types.StringValue("two.example.com"), types.Int64Value(2222), types.StringValue("admin")
	want := []Master{At("10.0.0.1"), other}
	if diff := cmp.Diff(want, FromList(ToList(want))); diff != "" {
		t.Errorf("mismatch (-want +got)\n%s", diff)
	}
	if got := FromList(types.ListUnknown(types.ObjectType{AttrTypes: MasterTypes()})); got != nil {
		t.Errorf("what is not known is %v", got)
	}
}
