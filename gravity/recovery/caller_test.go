package recovery_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

const (
	// callerVariable makes this program a client of the API, by a kubeconfig.
	callerVariable = "GRAVITY_TEST_CALLER"
	// callInterval is the time between calls.
	callInterval = 250 * time.Millisecond
)

// call calls the API server until its output is closed, and prints a line for
// each call: when it ended, in nanoseconds, and how. Calls have no limit of time
// but the client's own, so that one that hangs is seen.
func call(kubeconfig string) int {
	host, err := os.Hostname()
	if err != nil {
		return 1
	}
	open, attempt := kube.Open, write
	if strings.HasSuffix(kubeconfig, "kubelet.conf") {
		open = func(path string) (*kube.Client, error) { return kube.OpenKubelet(path, "/var/lib/gravity/kubelet") }
		attempt = read
	}
	client, err := open(kubeconfig)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for next := time.Now(); ; next = next.Add(callInterval) {
		time.Sleep(time.Until(next))
		err := attempt(context.Background(), client, host)
		if _, err := fmt.Println(time.Now().UnixNano(), strings.ReplaceAll(fmt.Sprint(err), "\n", " ")); err != nil {
			return 0
		}
		if time.Since(next) > callInterval {
			next = time.Now()
		}
	}
}

// write changes an object, which a majority of etcd has to store.
func write(ctx context.Context, client *kube.Client, host string) error {
	patch := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"call-%s"},"data":{"time":"%d"}}`, host, time.Now().UnixNano())
	force := true
	_, err := client.Resource(kube.ConfigMaps, "default").Patch(ctx, "call-"+host, types.ApplyPatchType, patch,
		metav1.PatchOptions{FieldManager: "test", Force: &force})
	return err
}

// read reads the node, which is all that a worker may.
func read(ctx context.Context, client *kube.Client, host string) error {
	_, err := client.Resource(kube.Nodes, "").Get(ctx, host, metav1.GetOptions{})
	return err
}

// record is when something succeeded, and why it did not.
type record struct {
	name string

	mu     sync.Mutex
	begun  time.Time
	good   []time.Time
	errors []string
}

func newRecord(name string) *record { return &record{name: name, begun: time.Now()} }

func (r *record) add(at time.Time, failure string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if failure == "" {
		r.good = append(r.good, at)
	} else if len(r.errors) < 1000 {
		r.errors = append(r.errors, at.Format("15:04:05.000 ")+failure)
	}
}

// count is how often it succeeded.
func (r *record) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.good)
}

// gap is the longest time without success until now, and when it began.
func (r *record) gap() (longest time.Duration, from time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.begun
	for _, at := range append(r.good, time.Now()) {
		if at.Sub(last) > longest {
			longest, from = at.Sub(last), last
		}
		last = at
	}
	return longest, from
}

// explain prints the errors.
func (r *record) explain(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Logf("%s:\n%s", r.name, strings.Join(r.errors[:min(len(r.errors), 40)], "\n"))
}

// callFrom calls the API from a node, by the node's own kubeconfig, until the
// context ends.
func (s *site) callFrom(ctx context.Context, n int, calling *sync.WaitGroup) *record {
	s.Helper()
	kubeconfig := "/var/lib/gravity/kubernetes/admin.conf"
	if _, err := s.run(ctx, n, "test -e "+kubeconfig); err != nil {
		kubeconfig = "/var/lib/gravity/kubernetes/kubelet.conf"
	}
	r := newRecord(fmt.Sprintf("API on node-%d", n))
	reader, writer := io.Pipe()
	calling.Go(func() {
		_, err := s.machines[n-1].Run(ctx, lab.Command{
			Args: []string{"/root/caller"}, Env: []string{callerVariable + "=" + kubeconfig}, Stdout: writer, Stderr: s.Output(),
		})
		_ = writer.CloseWithError(err)
	})
	calling.Go(func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			when, failure, _ := strings.Cut(lines.Text(), " ")
			nanoseconds, _ := strconv.ParseInt(when, 10, 64)
			if failure == "<nil>" {
				failure = ""
			}
			r.add(time.Unix(0, nanoseconds), failure)
		}
	})
	return r
}
