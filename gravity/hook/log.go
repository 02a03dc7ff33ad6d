package hook

import (
	"context"
	"io"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// follow begins to follow the logs of containers that have started since it was
// called last.
func (r *run) follow(ctx context.Context) {
	pods, err := r.pods(ctx)
	if err != nil {
		return // the next call may succeed
	}
	r.remember(pods)
	for _, pod := range pods {
		for _, field := range []string{"initContainerStatuses", "containerStatuses"} {
			statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", field)
			for _, entry := range statuses {
				status, ok := entry.(map[string]any)
				if !ok {
					continue
				}
				name, _ := status["name"].(string)
				id, _ := status["containerID"].(string)
				if id == "" || r.followed[id] {
					continue
				}
				r.followed[id] = true
				r.followers.Go(func() { r.copyLog(ctx, pod.GetName(), name) })
			}
		}
	}
}

// remember keeps what the pods wait for: those of a job that took too long are
// deleted before it counts as failed.
func (r *run) remember(pods []unstructured.Unstructured) {
	if len(pods) == 0 {
		return
	}
	r.waited = ""
	for i := range pods {
		if waiting := kube.PodWaits(&pods[i]); waiting != "" {
			r.waited = "pod " + pods[i].GetName() + ": " + waiting
			return
		}
	}
}

// copyLog copies the log of a container to its end. It may take a while until
// that can be read; that it never can does not matter to the hook.
func (r *run) copyLog(ctx context.Context, pod, container string) {
	for {
		stream, err := r.logs(ctx, pod, container)
		if err == nil {
			defer stream.Close()
			_, _ = io.Copy(r.output, stream)
			return
		}
		if apierrors.IsNotFound(err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(logInterval):
		}
	}
}

// logInterval is how often it is tried to open a log.
const logInterval = 500 * time.Millisecond

// drain waits a little for the ends of the logs.
func (r *run) drain(stop context.CancelFunc) {
	done := make(chan struct{})
	go func() {
		r.followers.Wait()
		close(done)
	}()
	timer := time.AfterFunc(5*time.Second, stop)
	defer timer.Stop()
	<-done
}

// lockedWriter lets several logs share a writer.
type lockedWriter struct {
	mu     sync.Mutex
	writer io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writer.Write(p)
}
