package install_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// config has objects of Kubernetes and Gravity's documents (S11).
const config = `apiVersion: v1
kind: Namespace
metadata: {name: team}
---
kind: LogForwarder
version: v2
metadata: {name: forwarder@example}
spec: {address: 192.168.100.1:514}
---
kind: RuntimeEnvironment
version: v1
spec:
  data:
    HTTP_PROXY: "example.com:8001"
---
apiVersion: v1
kind: ConfigMap
metadata: {name: given, namespace: team}
data: {answer: "yes"}
`

// checkBadConfig wants a file that is wrong to be refused before there is a plan
// or anything else.
func checkBadConfig(ctx context.Context, t *testing.T, machine *lab.Machine) {
	give(ctx, t, machine, "/root/bad.yaml", config+"---\nkind: logforwarde\nversion: v2\nmetadata: {name: a}\nspec: {}\n")
	_, err := machine.Run(ctx, lab.Command{Args: []string{"/root/app/install", "--config=/root/bad.yaml"}})
	if err == nil || !strings.Contains(err.Error(), `/root/bad.yaml: line 21: unknown kind "logforwarde"`) {
		t.Errorf("a bad file: %v", err)
	}
	equal(ctx, t, machine, "ls /var/lib/gravity", "")
}

// checkConfig wants the objects in the cluster, and the documents in Secrets by
// kind and name.
func checkConfig(ctx context.Context, t *testing.T, machine *lab.Machine) {
	equal(ctx, t, machine, "kubectl get configmap given -n team -o jsonpath='{.data.answer}'", "yes")
	const secrets = "kubectl get secrets -n gravity-system -l gravitational.io/resource-kind="
	equal(ctx, t, machine, secrets+"logforwarder -o jsonpath='{.items[*].data.resource\\.json}' | base64 -d",
		`{"kind":"LogForwarder","metadata":{"name":"forwarder@example"},"spec":{"address":"192.168.100.1:514"},"version":"v2"}`)
	equal(ctx, t, machine, secrets+"runtimeenvironment,gravitational.io/resource-name=runtimeenvironment -o jsonpath='{.items[*].type}'", "gravitational.io/resource")
	plan := output(ctx, t, machine, "gravity plan -o json")
	if !strings.Contains(plan, `"/gravity-resources"`) || strings.Contains(plan, "192.168.100.1") {
		t.Errorf("the plan lacks a phase, or has documents: %s", plan)
	}
	equal(ctx, t, machine, "stat -c %a /var/lib/gravity/resources/*.yaml", "600")
}
