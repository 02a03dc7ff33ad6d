package expand

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// Executors makes the executors of joins below a state folder.
func Executors(stateDir string) operation.Executors {
	var once sync.Once
	var shared *environment
	var failed error
	return func(_ context.Context, plan *operation.Plan, phase operation.Phase, log operation.Logger) (operation.Executor, error) {
		once.Do(func() { shared, failed = newEnvironment(stateDir, plan.OperationID, phase, log) })
		if failed != nil {
			return nil, failed
		}
		construct, known := executors[phase.Executor]
		if !known {
			return nil, fmt.Errorf("phase %s: this gravity knows no executor %q of joins", phase.ID, phase.Executor)
		}
		return &heard{construct(shared), shared}, nil
	}
}

var executors = map[string]func(*environment) operation.Executor{
	checksExecutor:    func(e *environment) operation.Executor { return &checks{e} },
	configureExecutor: func(e *environment) operation.Executor { return &configure{e} },
	bootstrapExecutor: func(e *environment) operation.Executor { return &program{e} },
	pullExecutor:      func(e *environment) operation.Executor { return &pull{e} },
	containerExecutor: func(e *environment) operation.Executor { return &startContainer{e} },
	kubeadmExecutor:   func(e *environment) operation.Executor { return &joinKubernetes{e} },
	waitExecutor:      func(e *environment) operation.Executor { return &wait{e} },
	electExecutor:     func(e *environment) operation.Executor { return &elect{e} },
	backupExecutor:    func(e *environment) operation.Executor { return &onMaster{e, bootstrap.StepBackup} },
	preHookExecutor:   func(e *environment) operation.Executor { return &onMaster{e, bootstrap.StepPreHook} },
	postHookExecutor:  func(e *environment) operation.Executor { return &onMaster{e, bootstrap.StepPostHook} },
}

// environment is what the phases of one join share.
type environment struct {
	paths       paths.Paths
	operationID string
	settings    Settings
	log         operation.Logger
	store       *store.Store
	container   *container.Container

	mu     sync.Mutex
	client *bootstrap.Client
}

func newEnvironment(stateDir, operationID string, phase operation.Phase, log operation.Logger) (*environment, error) {
	p, err := paths.New(stateDir)
	if err != nil {
		return nil, err
	}
	e := &environment{paths: p, operationID: operationID, log: log, store: store.New(p.Store()), container: container.New(p)}
	if err := phase.Decode(&e.settings); err != nil {
		return nil, fmt.Errorf("phase %s: %w", phase.ID, err)
	}
	if e.settings.Node.Name == "" {
		return nil, fmt.Errorf("phase %s has no settings", phase.ID)
	}
	return e, nil
}

// masters asks the masters that there were when the join began.
func (e *environment) masters() (*bootstrap.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return e.client, nil
	}
	config, err := certificate.FilesOf(e.paths).TLS()
	if err != nil {
		return nil, err
	}
	var peers []string
	for _, master := range e.settings.View.Masters {
		peers = append(peers, fmt.Sprintf("%s:%d", master, bootstrap.Port))
	}
	e.client = bootstrap.NewClient(peers, config)
	return e.client, nil
}

// stepWithin is how long masters may be unreachable: one may be starting.
const stepWithin = 3 * time.Minute

// ask lets a master do a step.
func (e *environment) ask(ctx context.Context, step bootstrap.Step, answer any) error {
	return e.askWithin(ctx, stepWithin, step, answer)
}

func (e *environment) askWithin(ctx context.Context, within time.Duration, step bootstrap.Step, answer any) error {
	client, err := e.masters()
	if err != nil {
		return err
	}
	n := e.settings.Node
	request := bootstrap.Request{Operation: e.operationID, Name: n.Name, Address: n.Address, Role: n.Role}
	return client.StepWithin(ctx, within, step, request, n.Master, answer)
}

// manifest is the application's.
func (e *environment) manifest() (*manifest.Manifest, error) {
	content, err := os.ReadFile(e.paths.Resources(e.operationID))
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(content))
	return m, err
}

// renewInterval is how often a master is told that the join goes on.
const renewInterval = time.Minute

// heard lets the masters hear from the join while a phase is executed, so that
// it keeps its place among the others.
type heard struct {
	operation.Executor
	*environment
}

// Execute executes the phase.
func (h *heard) Execute(ctx context.Context) error {
	if err := h.ask(ctx, bootstrap.StepRenew, nil); err != nil {
		return err
	}
	renewing, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() {
		for {
			select {
			case <-renewing.Done():
				return
			case <-time.After(renewInterval):
				if err := h.askWithin(renewing, renewInterval/2, bootstrap.StepRenew, nil); err != nil && renewing.Err() == nil {
					h.log.Warn("cannot tell a master that the join goes on", "error", err)
				}
			}
		}
	})
	return h.Executor.Execute(ctx)
}
