package expand_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	if master := os.Getenv(impostorVariable); master != "" {
		fmt.Fprintln(os.Stderr, standBefore(master))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const shopManifest = `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata:
  name: shop
  resourceVersion: 1.0.0
installer:
  flavors:
    items:
      - name: one
        nodes: [{profile: node, count: 1}]
nodeProfiles:
  - name: node
    labels: {tier: front}
  - name: worker
    labels:
      node-role.kubernetes.io/node: "true"
      tier: back
    taints:
      - {key: flavour, value: sweet, effect: PreferNoSchedule}
  - name: huge
    labels: {node-role.kubernetes.io/node: "true"}
    requirements:
      cpu: {min: 1000}
hooks:
  install:
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: install}
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: hook
                image: hook:1
                command: [kubectl, apply, -f, /var/lib/gravity/resources/objects.yaml]
  preNodeAdd:
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: before}
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: hook
                image: hook:1
                command: [sh, -euc, 'kubectl create configmap -n default before-$GRAVITY_NODE_NAME --from-literal=role=$GRAVITY_NODE_ROLE; ! kubectl get node $GRAVITY_NODE_NAME']
  postNodeAdd:
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: after}
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: hook
                image: hook:1
                command: [sh, -euc, 'kubectl get node $GRAVITY_NODE_NAME && kubectl create configmap -n default after-$GRAVITY_NODE_NAME']
`

var shop = installtest.Application{
	Manifest: shopManifest, Name: "shop", Version: "1.0.0",
	Images: map[string]string{"docker.io/library/hook:1": "gravity.local/master:" + installtest.Version}, // it has a shell
	Files:  map[string]string{"objects.yaml": installtest.TalkObjects},
}

// TestFixture writes the bundle where a variable says, for trials by hand.
func TestFixture(t *testing.T) {
	path := os.Getenv("GRAVITY_TEST_FIXTURE")
	if path == "" {
		t.Skip("makes what a trial by hand needs; its variable asks for it")
	}
	made := installtest.Bundle(t, installtest.Program(t), shop)
	content, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// output runs a shell script on a machine and returns what it printed.
func output(ctx context.Context, t *testing.T, machine *lab.Machine, script string) string {
	t.Helper()
	result, err := machine.Run(ctx, lab.Command{Args: []string{"bash", "-c", script}})
	if err != nil {
		t.Errorf("%s: %s: %v", machine.Name(), script, err)
	}
	return strings.TrimSpace(result.Stdout)
}
