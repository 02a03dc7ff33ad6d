package trial_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/trial"
)

// LayoutVariable names the layout to test, if it is not the one that
// `make runtimes` writes.
const layoutVariable = "GRAVITY_RUNTIMES"

// TestRuntimes brings every runtime of the catalogue up on machines that have
// no way to the outside, and uses it.
func TestRuntimes(t *testing.T) {
	if testing.Short() {
		t.Skip("boots machines; run without -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("lab machines need root")
	}
	catalogue, err := runtime.Releases()
	if err != nil {
		t.Fatal(err)
	}
	machines, err := lab.New(t.Context(), lab.Options{Name: "runtimes", Count: 1, Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := machines.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	for i, release := range catalogue.Releases {
		t.Run(release.Version, func(t *testing.T) {
			testRuntime(t, machines, release.Version, i == 0)
		})
	}
}

func layoutFolder(t *testing.T) string {
	t.Helper()
	if folder := os.Getenv(layoutVariable); folder != "" {
		return folder
	}
	cache, err := cachedir.Path("runtimes")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "layout")
}

// testRuntime uses new machines, which it switches off in the end.
func testRuntime(t *testing.T, machines *lab.Lab, version string, pair bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	artifact, err := trial.Open(layoutFolder(t), version)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	master := startNode(ctx, t, machines, artifact)
	if err := master.Init(ctx, version); err != nil {
		master.Diagnose(ctx, t.Output())
		t.Fatal(err)
	}
	t.Logf("%s: %.1f s from the machine's start to a Ready node", version, time.Since(began).Seconds())

	checkVersion(ctx, t, master, version)
	checkImages(ctx, t, master, artifact)
	reportMemory(ctx, t, master)
	if pair {
		worker := startNode(ctx, t, machines, artifact)
		if err := worker.Join(ctx, master); err != nil {
			worker.Diagnose(ctx, t.Output())
			master.Diagnose(ctx, t.Output())
			t.Fatal(err)
		}
		checkTraffic(ctx, t, master, worker, artifact)
	}
}

func startNode(ctx context.Context, t *testing.T, machines *lab.Lab, artifact *trial.Artifact) *trial.Node {
	t.Helper()
	added, err := machines.Add(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := added[0].Kill(ctx); err != nil {
			t.Error(err)
		}
	})
	node, err := trial.Start(ctx, added[0], artifact, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func checkVersion(ctx context.Context, t *testing.T, node *trial.Node, version string) {
	t.Helper()
	for _, resource := range []string{"{.status.nodeInfo.kubeletVersion}"} {
		got, err := node.Kubectl(ctx, "get", "node", node.Name(), "-o", "jsonpath="+resource)
		if err != nil || got != "v"+version {
			t.Errorf("kubelet's version is %q (%v), want v%s", got, err, version)
		}
	}
	server, err := node.Kubectl(ctx, "version", "-o", "json")
	if err != nil || strings.Count(server, `"gitVersion": "v`+version+`"`) != 2 {
		t.Errorf("client and server are not both v%s (%v):\n%s", version, err, server)
	}
}

// checkImages wants every image of the cluster to be of the artifact, and
// every image of the artifact, the master container's too, to be something that
// containerd can pull.
func checkImages(ctx context.Context, t *testing.T, node *trial.Node, artifact *trial.Artifact) {
	t.Helper()
	used, err := node.Kubectl(ctx, "get", "pods", "-A", "-o", "jsonpath={.items[*].spec.containers[*].image}")
	if err != nil {
		t.Fatal(err)
	}
	if len(strings.Fields(used)) < 7 {
		t.Errorf("only these images run: %s", used)
	}
	for image := range strings.FieldsSeq(used) {
		if !slices.Contains(artifact.Images, image) {
			t.Errorf("image %s runs and is not in the artifact", image)
		}
	}
	if err := node.CopyImages(ctx, artifact, artifact.Master); err != nil {
		t.Error(err)
	}
	for _, image := range append(slices.Clone(artifact.Images), artifact.Master) {
		if _, err := node.Exec(ctx, "ctr", "--namespace", "trial", "images", "pull", "--hosts-dir", "/etc/containerd/certs.d", image); err != nil {
			t.Errorf("containerd cannot pull %s: %v", image, err)
		}
	}
	if _, err := node.Exec(ctx, "ctr", "--namespace", "trial", "images", "pull", "--hosts-dir", "/etc/containerd/certs.d", "registry.k8s.io/pause:0"); err == nil {
		t.Error("containerd pulls an image that is nowhere")
	}
}

// reportMemory logs what a lone master uses: the resident memory of all
// processes of the machine, page cache aside.
func reportMemory(ctx context.Context, t *testing.T, node *trial.Node) {
	t.Helper()
	for _, command := range []string{
		"awk '/^total_rss /{print $2}' /sys/fs/cgroup/memory/memory.stat",
		"awk '/^anon /{print $2}' /sys/fs/cgroup/memory.stat",
	} {
		output, err := node.Exec(ctx, "sh", "-c", command+" 2>/dev/null")
		if bytes, parseErr := strconv.ParseInt(strings.TrimSpace(output), 10, 64); err == nil && parseErr == nil {
			t.Logf("the machine of a lone master uses %d MB of memory besides the page cache", bytes/1e6)
			return
		}
	}
	t.Log("this host does not tell a machine's memory")
}

// etcdPod serves a key-value store on a given node, so that two pods have
// something to say to each other; its image has the client, too.
const etcdPod = `apiVersion: v1
kind: Pod
metadata:
  name: %[1]s
  labels: {app: %[1]s}
spec:
  nodeName: %[2]s
  containers:
    - name: etcd
      image: %[3]s
      command: [etcd, --data-dir=/tmp/etcd, "--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://%[1]s:2379"]
      readinessProbe: {tcpSocket: {port: 2379}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata:
  name: %[1]s
spec:
  selector: {app: %[1]s}
  ports: [{port: 2379}]
---
`

// checkTraffic lets pods on both nodes reach each other by address and by the
// name of a Service, and reads a pod's log.
func checkTraffic(ctx context.Context, t *testing.T, master, worker *trial.Node, artifact *trial.Artifact) {
	t.Helper()
	image := artifact.Images[slices.IndexFunc(artifact.Images, func(name string) bool { return strings.Contains(name, "/etcd:") })]
	pods := map[string]string{"left": master.Name(), "right": worker.Name()}
	for pod, node := range pods {
		if err := master.Apply(ctx, fmt.Sprintf(etcdPod, pod, node, image)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := master.Kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=60s", "pod/left", "pod/right"); err != nil {
		master.Diagnose(ctx, t.Output())
		t.Fatal(err)
	}
	for from, to := range map[string]string{"left": "right", "right": "left"} {
		address, err := master.Kubectl(ctx, "get", "pod", to, "-o", "jsonpath={.status.podIP}")
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{address, to, to + ".default.svc.cluster.local"} {
			value := from + " to " + target
			endpoint := "--endpoints=http://" + target + ":2379"
			if _, err := master.Kubectl(ctx, "exec", from, "--", "etcdctl", endpoint, "put", "greeting", value); err != nil {
				t.Errorf("from %s on %s to %s on %s: %v", from, pods[from], target, pods[to], err)
				continue
			}
			got, err := master.Kubectl(ctx, "exec", to, "--", "etcdctl", "get", "greeting", "--print-value-only")
			if err != nil || strings.TrimSpace(got) != value {
				t.Errorf("%s has %q (%v), want %q", to, got, err, value)
			}
		}
		log, err := master.Kubectl(ctx, "logs", to)
		if err != nil || !strings.Contains(log, "ready to serve client requests") {
			t.Errorf("the log of %s on %s is %q (%v)", to, pods[to], log, err)
		}
	}
}
