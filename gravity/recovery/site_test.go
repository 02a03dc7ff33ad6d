package recovery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

const (
	// allVariable asks for all cases instead of a sample, seedVariable repeats a sample.
	allVariable  = "GRAVITY_TEST_ALL"
	seedVariable = "GRAVITY_TEST_SEED"
	// partsVariable names the parts of the test to run, separated by commas.
	partsVariable = "GRAVITY_TEST_PARTS"
	// joinToken is the cluster's.
	joinToken = "a-token-for-tests"
	// patience bounds what has to come by itself, on a slow machine.
	patience = 6 * time.Minute
)

func TestMain(m *testing.M) {
	if kubeconfig := os.Getenv(callerVariable); kubeconfig != "" {
		os.Exit(call(kubeconfig))
	}
	if server := os.Getenv(resolverVariable); server != "" {
		os.Exit(resolve(server))
	}
	lab.SuperviseIfAsked()
	os.Exit(m.Run())
}

// site is a lab with a cluster: node-1 to node-3 are masters, node-4 is a
// worker, and node-5 is nothing yet.
type site struct {
	*testing.T
	machines  []*lab.Machine
	addresses []netip.Addr
	random    *rand.Rand
	rows      *ledger
}

// newSite boots the machines, and makes the cluster with the example.
func newSite(ctx context.Context, t *testing.T) *site {
	t.Helper()
	program, bundle := exampleBundle(ctx, t)
	s := &site{T: t, machines: installtest.Machines(t, "recovery", 5, bundle, program), random: random(t)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, machine := range s.machines {
		status, err := machine.Status(ctx)
		if err == nil {
			s.addresses = append(s.addresses, status.Address)
			err = machine.CopyFileTo(ctx, self, "/root/caller", 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.step(1, "install", func() {
		s.must(ctx, 1, "cd /root/app && ./install --cluster=test --token="+joinToken+" >/root/install.log 2>&1 || { tail -n 30 /root/install.log >&2; false; }")
	})
	for n := 2; n <= 4; n++ {
		s.join(ctx, n, 1)
	}
	s.well(ctx, 1)
	s.rows = &ledger{addresses: s.addresses[:4]}
	return s
}

// random is a source of random numbers whose seed is printed, or given.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		parsed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = parsed
	}
	t.Logf("%s=%d", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// exampleBundle builds gravity and tele, and with them the example's bundle.
func exampleBundle(ctx context.Context, t *testing.T) (program, bundle string) {
	t.Helper()
	program = installtest.Program(t)
	tele, bundle := filepath.Join(filepath.Dir(program), "tele"), filepath.Join(t.TempDir(), "ledger.tar")
	for _, command := range [][]string{
		{"go", "build", "-trimpath", "-o", tele, "../../tele"},
		{tele, "build", "../../examples/apps/ledger", "--gravity", program, "--state-dir", filepath.Join(t.TempDir(), "cache"), "-o", bundle},
	} {
		process := exec.CommandContext(ctx, command[0], command[1:]...)
		process.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := process.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, output)
		}
	}
	return program, bundle
}

// step tells how long something took.
func (s *site) step(n int, what string, do func()) {
	s.Helper()
	began := time.Now()
	do()
	s.Logf("%5.1f s: %s on node-%d", time.Since(began).Seconds(), what, n)
}

func (s *site) run(ctx context.Context, n int, script string) (string, error) {
	s.Helper()
	result, err := s.machines[n-1].Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	return strings.TrimSpace(result.Stdout), err
}

// must runs a script on a node that has to succeed.
func (s *site) must(ctx context.Context, n int, script string) string {
	s.Helper()
	text, err := s.run(ctx, n, script)
	if err != nil {
		installtest.Diagnose(s.T, s.machines[n-1])
		s.Fatalf("node-%d: %s: %v\n%s", n, script, err, text)
	}
	return text
}

// until runs a script until it succeeds.
func (s *site) until(ctx context.Context, n int, script string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		text, err := s.run(ctx, n, script)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			installtest.Diagnose(s.T, s.machines[n-1])
			s.Fatalf("node-%d: %s: %v\n%s", n, script, err, text)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// do does something to a machine that has to succeed.
func (s *site) do(ctx context.Context, what func(context.Context) error) {
	s.Helper()
	if err := what(ctx); err != nil {
		s.Fatal(err)
	}
}

// join makes a machine a node, by a master.
func (s *site) join(ctx context.Context, n, peer int) {
	s.Helper()
	s.step(n, "join", func() {
		s.must(ctx, n, fmt.Sprintf("/root/gravity join %s --token=%s >/root/join.log 2>&1 || { tail -n 30 /root/join.log >&2; false; }",
			s.addresses[peer-1], joinToken))
	})
}

// status is what a node tells of the cluster.
func (s *site) status(ctx context.Context, n int) (*report.Status, error) {
	result, err := s.machines[n-1].Run(ctx, lab.Command{Args: []string{"gravity", "status", "-o", "json"}})
	if failed, ok := errors.AsType[*lab.CommandError](err); ok && failed.ExitCode == 3 {
		err = nil // degraded
	}
	if err != nil {
		return nil, err
	}
	found := new(report.Status)
	return found, json.Unmarshal([]byte(result.Stdout), found)
}

// clusterSize is how many nodes the cluster has.
const clusterSize = 4

// well waits until a node tells that all nodes and the application are, and the
// members of the application's database are complete: one of each two says that they are
// connected. The other may go on saying that they are not, since a message that failed
// was sent before they were again.
func (s *site) well(ctx context.Context, n int) {
	s.Helper()
	script := fmt.Sprintf(`text=$(gravity status 2>&1) || { echo "$text"; exit 1; }
test $(echo "$text" | grep -cE 'Status:[[:space:]]*healthy') = %d || { echo "$text"; exit 1; }
kubectl rollout status --timeout=1s -n default statefulset/ledger-db || exit
connected=$(for member in 0 1 2; do
	kubectl get --raw /api/v1/namespaces/default/pods/ledger-db-$member:2379/proxy/metrics
done | sed -n 's/^etcd_network_active_peers{Local="\(.*\)",Remote="\(.*\)"} 1$/\1 \2/p' | awk '{print ($1"" < $2"" ? $1 " " $2 : $2 " " $1)}' | sort -u | wc -l)
test "$connected" = 3 || { echo "$connected of 3 pairs of the database's members are connected"; exit 1; }
kubectl rollout status --timeout=1s -n default deployment/ledger &&
kubectl rollout status --timeout=1s -n kube-system daemonset/coredns`, clusterSize)
	s.until(ctx, n, script)
}
