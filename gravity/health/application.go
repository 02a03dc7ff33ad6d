package health

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/hook"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// ApplicationInterval is how often the application is asked how it is (S39).
const ApplicationInterval = time.Minute

// applicationLog is the log of the last run, after the application's name.
const applicationLog = "-status-check"

// checkID is the ID of the hook's runs on a node. It is always the same, so that an
// agent that starts again takes up the run that it left. Another node's is another
// one: what was begun on a node that is lost does not end.
func checkID(node string) string {
	hash := sha256.Sum256([]byte(node))
	return hex.EncodeToString(hash[:4])
}

// Application runs, on the master that leads, the status hook of the application while the cluster is
// active, and records in the cluster what it says.
type Application struct {
	Paths paths.Paths
	// History receives changes.
	History *History
	// Log receives why the hook cannot be run.
	Log *slog.Logger
}

// Run asks the application every minute until the context ends.
func (a *Application) Run(ctx context.Context) {
	for {
		began := time.Now()
		if err := a.Check(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("cannot ask the application for its status", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(0, ApplicationInterval-time.Since(began))):
		}
	}
}

// Check asks the application once. The error says why it could not be asked, not
// what it said.
func (a *Application) Check(ctx context.Context) error {
	n, err := node.Read(a.Paths)
	if err != nil || !n.Master {
		return err
	}
	client, err := kube.Open(a.Paths.KubernetesFile("admin.conf"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the cluster is being installed
	}
	if err != nil {
		return err
	}
	state, err := ReadState(ctx, client)
	if err != nil {
		return err
	}
	if state.State != StateActive && state.State != StateDegraded {
		return nil
	}
	failed := ""
	if h, err := a.hook(n, state); err != nil {
		return err
	} else if h != nil {
		runner := hook.Runner{Client: client, LogFile: func(string) string { return a.logFile(n.Application) }}
		if err := runner.Run(ctx, h); err != nil {
			failed = oneLine(err.Error())
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return a.record(ctx, client, state, failed)
}

// logFile begins a new log for each run: only the last is kept.
func (a *Application) logFile(application string) string {
	path := a.Paths.HookLog(strings.ToLower(application) + applicationLog)
	_ = os.Remove(path) // if it cannot, the log is added to it
	return path
}

// hook is the status hook of the application, nil if it has none.
func (a *Application) hook(n *node.Node, state *State) (*hook.Hook, error) {
	folder := a.Paths.Application(n.Application, n.Version)
	content, err := os.ReadFile(filepath.Join(folder, bundle.NameManifest))
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	found, ok := m.Hooks[manifest.HookStatus]
	if !ok {
		return nil, nil //nolint:nilnil // as the comment says
	}
	inside, err := filepath.Rel(a.Paths.Root, folder)
	if err != nil {
		return nil, err
	}
	return &hook.Hook{
		ID: checkID(n.Name), Name: manifest.HookStatus, Job: string(found.Job), Application: n.Application, Version: n.Version,
		Cluster: n.Cluster, Resources: filepath.Join(paths.Inside, inside), Node: n.Name,
		ServiceUser: state.ServiceUser, ServiceGroup: state.ServiceGroup, Deadline: ApplicationInterval, Transient: true,
	}, nil
}

// record tells the cluster and the history what has changed.
func (a *Application) record(ctx context.Context, client *kube.Client, state *State, failed string) error {
	wasFailed := state.State == StateDegraded
	if (failed != "") == wasFailed && state.Message == failed {
		return nil
	}
	wanted := map[string]any{"state": StateActive, "reason": nil, "message": nil}
	event := report.HealthEvent{Time: time.Now().UTC().Truncate(time.Second), Type: ClusterRecovered}
	if failed != "" {
		wanted = map[string]any{"state": StateDegraded, "reason": ReasonStatusCheck, "message": failed}
		event.Type, event.Error = ClusterDegraded, failed
	}
	// An operation that began meanwhile has changed the state; it stays.
	content, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": state.version}, "data": wanted})
	if err != nil {
		return err
	}
	_, err = client.Resource(kube.ConfigMaps, clusterNamespace).Patch(ctx, clusterName, types.MergePatchType, content,
		metav1.PatchOptions{FieldManager: kube.Manager})
	if err != nil {
		return fmt.Errorf("record the state of the cluster: %w", err)
	}
	if (failed != "") == wasFailed {
		return nil
	}
	return a.History.Append(event)
}
