package expand_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/trial"
)

// benchVariable asks for measurements, which are no tests.
const benchVariable = "GRAVITY_TEST_BENCH"

// TestMeasureJoin measures how long gravity join takes from the command to its end,
// beside kubeadm join, to a node that is Ready with the pods that kubeadm runs there, on
// a machine that has its container, its images and its registry already. Then it measures how long it takes
// to notice that a node is dead.
func TestMeasureJoin(t *testing.T) {
	installtest.SkipWithoutLab(t)
	if os.Getenv(benchVariable) == "" {
		t.Skip("it measures; 'make bench-join' asks for it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	plain := measurePlain(ctx, t)
	program := installtest.Program(t)
	l := &lab4{T: t, machines: installtest.Machines(t, "bench-join", 3, installtest.Bundle(t, program, bare), program)}
	l.install(ctx)
	l.calm(ctx, 1)
	worker := measure(func() { l.timed(ctx, 1, l.join("--role=worker")) })
	l.calm(ctx, 2)
	master := measure(func() { l.timed(ctx, 2, l.join("--role=node")) })
	l.calm(ctx, 3)
	l.timed(ctx, 0, "for i in $(seq 90); do gravity status >/tmp/status && exit; sleep 1; done; cat /tmp/status; exit 1")
	if err := l.machines[1].Kill(ctx); err != nil {
		t.Fatal(err)
	}
	out := t.Output()
	fmt.Fprintf(out, "\n%-44s %10s %10s %8s\n", "", "gravity", "kubeadm", "ratio")
	row := func(what string, own, other time.Duration) {
		fmt.Fprintf(out, "%-44s %8.1f s %8.1f s %7.2fx\n", what, own.Seconds(), other.Seconds(), own.Seconds()/other.Seconds())
	}
	row("join a worker", worker, plain[0])
	row("join a second master", master, plain[1])
	began := time.Now()
	for _, sign := range []struct{ what, script string }{
		{"a dead worker, until agents know", "gravity agent status | grep node-2 | grep -q failed"},
		{"a dead worker, until gravity status says so", "! gravity status >/dev/null 2>&1"},
		{"a dead worker, until Kubernetes says so", "kubectl get node node-2 --no-headers | grep -q NotReady"},
	} {
		output(ctx, t, l.machines[0], fmt.Sprintf("for i in $(seq 600); do if %s; then exit; fi; sleep 0.2; done; exit 1", sign.script))
		fmt.Fprintf(out, "%-44s %8.1f s\n", sign.what, time.Since(began).Seconds())
	}
}

// bare is an application that adds nothing to a join.
var bare = installtest.Application{
	Manifest: `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata: {name: bare, resourceVersion: 1.0.0}
installer: {flavors: {items: [{name: one, nodes: [{profile: node, count: 1}]}]}}
nodeProfiles:
  - name: node
  - name: worker
    labels: {node-role.kubernetes.io/node: "true"}
`,
	Name: "bare", Version: "1.0.0",
}

func measure(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

// calm waits until nodes and the system's pods are ready.
func (l *lab4) calm(ctx context.Context, nodes int) {
	l.Helper()
	l.timed(ctx, 0, fmt.Sprintf(`for i in $(seq 600); do
	test "$(kubectl get nodes --no-headers | grep -c ' Ready ')" = %d &&
	! kubectl get pods -n kube-system --no-headers -o custom-columns='R:.status.conditions[?(@.type=="Ready")].status' | grep -qv True && exit
	sleep 0.2
done; exit 1`, nodes))
}

// measurePlain measures kubeadm join: of a worker and of a second master.
func measurePlain(ctx context.Context, t *testing.T) [2]time.Duration {
	t.Helper()
	machines, err := lab.New(ctx, lab.Options{Name: "bench-kubeadm", Count: 3, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := machines.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	artifact, err := trial.Open(installtest.Layout(t), installtest.Version)
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*trial.Node
	for _, machine := range machines.Machines() {
		node, err := trial.Start(ctx, machine, artifact, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, node)
	}
	if err := nodes[0].Init(ctx, installtest.Version); err != nil {
		t.Fatal(err)
	}
	var took [2]time.Duration
	for i, join := range []func(context.Context, *trial.Node) error{nodes[1].Join, nodes[2].JoinMaster} {
		began := time.Now()
		if err := join(ctx, nodes[0]); err != nil {
			nodes[i+1].Diagnose(ctx, t.Output())
			t.Fatal(err)
		}
		took[i] = time.Since(began)
		t.Logf("%.1f s for kubeadm join on %s", took[i].Seconds(), nodes[i+1].Name())
	}
	return took
}
