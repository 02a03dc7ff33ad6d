package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func TestDeploy(t *testing.T) {
	p, err := paths.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	host, err := newAgentHost(p)
	if err != nil {
		t.Fatal(err)
	}
	const works, fails = "#!/bin/sh\nexit 0\n", "#!/bin/sh\necho broken; exit 1\n"
	for _, test := range []struct{ name, content, sent, err string }{
		{"it fails", fails, fails, "broken"},
		{"cut off", works, works[:5], "digest"},
		{"changed", works, strings.ToUpper(works), "digest"},
		{"empty", works, "", "digest"},
		{"it works", works, works, ""},
	} {
		digest, err := digestOf(strings.NewReader(test.content))
		if err != nil {
			t.Fatal(err)
		}
		err = host.Deploy(context.Background(), rpc.NewProgram(strings.NewReader(test.sent), digest))
		if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
		_, statErr := os.Stat(p.Deployed())
		if (statErr == nil) != (test.err == "") {
			t.Errorf("%s: the program is there: %v", test.name, statErr)
		}
		entries, err := os.ReadDir(filepath.Dir(p.Deployed()))
		if err != nil || len(entries) > 1 || len(entries) == 1 && test.err != "" {
			t.Errorf("%s: it leaves %v, %v", test.name, entries, err)
		}
	}
	if host.Info().Deployed {
		t.Error("the test is the deployed program")
	}
	// Another program is not held to how this one began.
	for range maxStarts {
		if err := countStart(p); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := digestOf(strings.NewReader(works))
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Deploy(t.Context(), rpc.NewProgram(strings.NewReader(works), digest)); err != nil {
		t.Fatal(err)
	}
	if err := countStart(p); err != nil {
		t.Error(err)
	}
	if err := host.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.Deployed()); !os.IsNotExist(err) {
		t.Errorf("the program is still there: %v", err)
	}
}

// An agent that was the deployed program still is after it was withdrawn, until
// it is replaced.
func TestWithdraw(t *testing.T) {
	p, err := paths.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(p.Deployed()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, p.Deployed()); err != nil {
		t.Fatal(err)
	}
	host, err := newAgentHost(p)
	if err != nil {
		t.Fatal(err)
	}
	if !host.Info().Deployed {
		t.Fatal("the deployed program does not know itself")
	}
	if err := host.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !host.Info().Deployed {
		t.Error("the process that runs changed with its file")
	}
}

func TestAddMembership(t *testing.T) {
	agents := []struct{ address, want string }{{"192.0.2.1", "alive"}, {"192.0.2.2", "failed"}, {"192.0.2.3", ""}}
	listed := make([]report.Agent, len(agents))
	for i, agent := range agents {
		listed[i].Address = agent.address
	}
	see := func(address, status string) rpc.Member {
		return rpc.Member{Status: status, Tags: map[string]string{"publicip": address}}
	}
	addMembership(listed, [][]rpc.Member{nil, {see("192.0.2.1", "alive"), see("192.0.2.2", "failed"), see("192.0.2.9", "left")}, {see("192.0.2.3", "alive")}})
	for i, agent := range agents {
		if listed[i].Membership != agent.want {
			t.Errorf("%s is %q, want %q", agent.address, listed[i].Membership, agent.want)
		}
	}
}
