package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Executors makes the executors of installations below a state folder.
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
			return nil, fmt.Errorf("phase %s: this gravity knows no executor %q of installations", phase.ID, phase.Executor)
		}
		var executor operation.Executor = spacious{construct(shared), shared}
		if needsAPI[phase.Executor] {
			executor = patient{executor, shared}
		}
		return executor, nil
	}
}

var executors = map[string]func(*environment) operation.Executor{
	checksExecutor:      func(e *environment) operation.Executor { return &checks{e} },
	configureExecutor:   func(e *environment) operation.Executor { return &configure{e} },
	bootstrapExecutor:   func(e *environment) operation.Executor { return &bootstrap{e} },
	pullExecutor:        func(e *environment) operation.Executor { return &pull{e} },
	containerExecutor:   func(e *environment) operation.Executor { return &startContainer{e} },
	kubeadmExecutor:     func(e *environment) operation.Executor { return &controlPlane{e} },
	waitExecutor:        func(e *environment) operation.Executor { return &wait{inCluster{e}} },
	rbacExecutor:        func(e *environment) operation.Executor { return &rbac{inCluster{e}} },
	corednsExecutor:     func(e *environment) operation.Executor { return &coredns{inCluster{e}} },
	resourcesExecutor:   func(e *environment) operation.Executor { return &resources{inCluster{e}} },
	overlayExecutor:     func(e *environment) operation.Executor { return &overlay{inCluster{e}} },
	exportExecutor:      func(e *environment) operation.Executor { return &export{e} },
	healthExecutor:      func(e *environment) operation.Executor { return &health{inCluster{e}} },
	applicationExecutor: func(e *environment) operation.Executor { return &installApplication{e} },
	electionExecutor:    func(e *environment) operation.Executor { return &election{inCluster{e}} },
	documentsExecutor:   func(e *environment) operation.Executor { return &gravityResources{inCluster{e}} },
}

// needsAPI are the phases that are executed in a cluster that is there.
var needsAPI = map[string]bool{
	rbacExecutor: true, corednsExecutor: true, resourcesExecutor: true, documentsExecutor: true, overlayExecutor: true,
	healthExecutor: true, applicationExecutor: true, electionExecutor: true,
}

// patient executes a phase when the API server answers: after a loss of power,
// or of the container, that takes a while.
type patient struct {
	operation.Executor
	*environment
}

// Execute waits, and executes the phase.
func (p patient) Execute(ctx context.Context) error {
	if err := p.container.Start(ctx); err != nil {
		return err
	}
	client, err := p.client()
	if err != nil {
		return err
	}
	if err := kube.Wait(ctx, apiTimeout, "the API server", client.Ready); err != nil {
		return err
	}
	return p.Executor.Execute(ctx)
}

// environment is what the phases of one installation share.
type environment struct {
	paths       paths.Paths
	operationID string
	settings    Settings
	log         operation.Logger
	store       *store.Store
	container   *container.Container

	mu     sync.Mutex
	bundle *bundle.Bundle
	app    *manifest.Manifest
	kube   *kube.Client
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

// open opens the bundle, which stays open until the program ends.
func (e *environment) open() (*bundle.Bundle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bundle != nil {
		return e.bundle, nil
	}
	b, err := bundle.Open(e.settings.Bundle)
	if err != nil {
		return nil, cli.WithHint(err, "put the bundle that the installation was started from back")
	}
	if b.Digest().String() != e.settings.Digest {
		return nil, errors.Join(fmt.Errorf("%s is not the bundle that the installation was started from", e.settings.Bundle), b.Close())
	}
	e.bundle = b
	return b, nil
}

// manifest is the application's.
func (e *environment) manifest() (*manifest.Manifest, error) {
	b, err := e.open()
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.app == nil {
		if e.app, err = ReadManifest(b); err != nil {
			return nil, err
		}
	}
	return e.app, nil
}

// ReadManifest reads a bundle's app.yaml.
func ReadManifest(b *bundle.Bundle) (*manifest.Manifest, error) {
	content, err := b.Manifest()
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(content))
	return m, err
}

// client is a connection to the API server with all rights.
func (e *environment) client() (*kube.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.kube == nil {
		client, err := kube.Open(e.paths.KubernetesFile("admin.conf"))
		if err != nil {
			return nil, err
		}
		e.kube = client
	}
	return e.kube, nil
}

// inCluster is a phase whose effects are in the cluster: applying them again
// changes nothing, and they go with the control plane.
type inCluster struct{ *environment }

// Done is never known; the phase is quick.
func (inCluster) Done(context.Context) (bool, error) { return false, nil }

// Rollback leaves the effects to the control plane's rollback.
func (inCluster) Rollback(context.Context) error { return nil }
