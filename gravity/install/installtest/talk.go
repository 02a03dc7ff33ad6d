package installtest

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// TalkObjects are a pod on every node that says hello to who connects, and a Service
// of them. They need the image docker.io/library/hook:1, the master container's.
const TalkObjects = `apiVersion: v1
kind: Service
metadata:
  name: talk
  namespace: default
spec:
  ports: [{port: 80, targetPort: 8080}]
  selector: {app: talk}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: talk
  namespace: default
spec:
  selector: {matchLabels: {app: talk}}
  template:
    metadata: {labels: {app: talk}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers:
        - name: talk
          image: docker.io/library/hook:1
          command: [systemd-socket-activate, --listen=8080, --inetd, --accept, /bin/echo, hello]
          securityContext: {runAsUser: 1000}
`

// Talk wants the pod of each node to reach that of each node by address, and the
// Service by its name. A master is asked for the pods.
func Talk(ctx context.Context, t *testing.T, master *lab.Machine, nodes int) {
	t.Helper()
	const script = `set -e
kubectl rollout status daemonset/talk --timeout=120s >/dev/null
for pod in $(kubectl get pods -l app=talk -o jsonpath='{.items[*].metadata.name}'); do
  for host in $(kubectl get pods -l app=talk -o jsonpath='{.items[*].status.podIP}'); do
    kubectl exec $pod -- timeout 10 bash -c "exec 3<>/dev/tcp/$host/8080 && cat <&3"
  done
  kubectl exec $pod -- timeout 10 bash -c "exec 3<>/dev/tcp/talk.default.svc.cluster.local/80 && cat <&3"
done | grep -c hello`
	result, err := master.Run(ctx, lab.Command{Args: []string{"bash", "-c", script}})
	if got, want := strings.TrimSpace(result.Stdout), strconv.Itoa(nodes*(nodes+1)); err != nil || got != want {
		t.Errorf("%s of %s connections between pods were answered: %v", got, want, err)
	}
}
