package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Runner runs hooks.
type Runner struct {
	// Client is the cluster's API server.
	Client *kube.Client
	// LogFile returns where the log of a job is kept.
	LogFile func(job string) string
	// Output receives the log while it comes; nil means nobody.
	Output io.Writer
}

// grace is how long a job may take beyond its own deadline to be failed by
// Kubernetes, and to get away.
const grace = 2 * time.Minute

// Run runs a hook and waits for its end. The error of one that failed has the
// reason and the place of its log. If ctx ends, the job goes on: a run with the
// same ID takes it up again.
func (r *Runner) Run(ctx context.Context, h *Hook) error {
	job, err := h.object()
	if err != nil {
		return fmt.Errorf("hook %s: %w", h.Name, err)
	}
	logFile := r.LogFile(job.GetName())
	log, err := openLog(logFile)
	if err != nil {
		return fmt.Errorf("hook %s: %w", h.Name, err)
	}
	defer log.Close()
	run := &run{client: r.Client, job: job, transient: h.Transient, jobs: r.Client.Resource(kube.Jobs, job.GetNamespace()), followed: make(map[string]bool)}
	run.logs = func(ctx context.Context, pod, container string) (io.ReadCloser, error) {
		return r.Client.Log(ctx, job.GetNamespace(), pod, container)
	}
	run.output = &lockedWriter{writer: log}
	if r.Output != nil {
		run.output.writer = io.MultiWriter(log, r.Output)
	}
	deadline, _, _ := unstructured.NestedInt64(job.Object, "spec", "activeDeadlineSeconds")
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(deadline)*time.Second+grace, fmt.Errorf("it has not ended after %d s", deadline))
	defer cancel()
	if err := run.start(ctx); err != nil {
		return fmt.Errorf("hook %s: %w", h.Name, err)
	}
	if err := run.wait(ctx); err != nil {
		return cli.WithHint(fmt.Errorf("hook %s: %w", h.Name, err), "read its log in %s", logFile)
	}
	return nil
}

func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// run is one job.
type run struct {
	client *kube.Client
	job    *unstructured.Unstructured
	jobs   dynamic.ResourceInterface
	output *lockedWriter
	// logs opens the log of a container, to its end.
	logs func(ctx context.Context, pod, container string) (io.ReadCloser, error)
	// transient is Hook.Transient.
	transient bool

	followers sync.WaitGroup
	followed  map[string]bool
	// waited is what the job's pods waited for when there were pods; empty for
	// nothing.
	waited string
}

// start makes the job, unless it runs or has succeeded. One that failed is
// replaced.
func (r *run) start(ctx context.Context) error {
	for {
		_, err := r.jobs.Create(ctx, r.job, metav1.CreateOptions{FieldManager: kube.Manager})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		existing, err := r.jobs.Get(ctx, r.job.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if failed, _ := result(existing); failed == "" && existing.GetDeletionTimestamp() == nil {
			return nil
		}
		if err := r.remove(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (r *run) remove(ctx context.Context) error {
	policy := metav1.DeletePropagationForeground
	err := r.jobs.Delete(ctx, r.job.GetName(), metav1.DeleteOptions{PropagationPolicy: &policy})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// wait follows the logs until the job has ended. One that has succeeded stays
// for a day, so that a run that is resumed finds it, unless it is transient; one
// that failed goes.
func (r *run) wait(ctx context.Context) error {
	following, stop := context.WithCancel(ctx)
	defer r.followers.Wait()
	defer stop()
	for {
		job, err := r.jobs.Get(ctx, r.job.GetName(), metav1.GetOptions{})
		if err == nil {
			r.follow(following)
			failed, succeeded := result(job)
			if failed != "" {
				failed = r.explain(ctx, failed)
			}
			if failed != "" || succeeded {
				r.drain(stop)
			}
			if failed != "" {
				return errors.Join(errors.New(failed), r.remove(ctx))
			}
			if succeeded {
				return r.keep(ctx)
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err, errors.New(r.explain(context.WithoutCancel(ctx), "it still runs")))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// keep lets Kubernetes remove the job after a day, unless it is transient.
func (r *run) keep(ctx context.Context) error {
	if r.transient {
		return r.remove(ctx)
	}
	_, err := r.jobs.Patch(ctx, r.job.GetName(), "application/merge-patch+json",
		[]byte(`{"spec":{"ttlSecondsAfterFinished":86400}}`), metav1.PatchOptions{FieldManager: kube.Manager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// result tells why a job failed, or that it succeeded.
func result(job *unstructured.Unstructured) (failed string, succeeded bool) {
	conditions, _, _ := unstructured.NestedSlice(job.Object, "status", "conditions")
	for _, entry := range conditions {
		condition, ok := entry.(map[string]any)
		if !ok || condition["status"] != "True" {
			continue
		}
		switch condition["type"] {
		case "Failed":
			return fmt.Sprintf("%v: %v", condition["reason"], condition["message"]), false
		case "Complete":
			return "", true
		}
	}
	return "", false
}

// explain adds what the job's pods wait for.
func (r *run) explain(ctx context.Context, reason string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if pods, err := r.pods(ctx); err == nil {
		r.remember(pods)
	}
	if r.waited == "" {
		return reason
	}
	return reason + " (" + r.waited + ")"
}

func (r *run) pods(ctx context.Context) ([]unstructured.Unstructured, error) {
	list, err := r.client.Resource(kube.Pods, r.job.GetNamespace()).List(ctx, metav1.ListOptions{
		LabelSelector: "batch.kubernetes.io/job-name=" + r.job.GetName(),
	})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}
