package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// mainOfScripts is gravity with commands that scripts make operations and bundles
// with:
//
//	gravity create-operation STATE-DIR PLAN.json
//	gravity create-based FOLDER
//
// and with executors that make a file for each phase.
func mainOfScripts() {
	for _, operationType := range []string{operation.TypeUpdate, operation.TypeInstall, operation.TypeGC} {
		executors[operationType] = touches
	}
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "create-operation":
		err = createOperation(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "create-based":
		err = createBased(os.Args[2])
	default:
		main()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func createOperation(stateDir, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	plan := &operation.Plan{GravityPackage: operation.PackageOf(version.Get().Version), CreatedAt: time.Now().UTC()}
	if err := json.Unmarshal(data, plan); err != nil {
		return err
	}
	return (&globals{stateDir: stateDir}).operations().Create(context.Background(), plan)
}

// touches makes executors of phases that make a file. A file NAME.fail has them
// fail, a file NAME.talk warn and print, and a file NAME.wait wait until they are interrupted.
func touches(stateDir string) operation.Executors {
	return func(_ context.Context, _ *operation.Plan, phase operation.Phase, log operation.Logger) (operation.Executor, error) {
		return touch{filepath.Join(stateDir, phase.Name()), log}, nil
	}
}

type touch struct {
	path string
	log  operation.Logger
}

func (e touch) exists(suffix string) bool {
	_, err := os.Stat(e.path + suffix)
	return err == nil
}

func (e touch) Done(context.Context) (bool, error) { return e.exists(""), nil }

func (e touch) Execute(ctx context.Context) error {
	e.log.Debug("Make a file.", "path", filepath.Base(e.path))
	if e.exists(".talk") {
		e.log.Warn("The room is small.", "metres", 3)
		fmt.Fprintln(operation.Output(e.log), "a program prints")
	}
	if e.exists(".fail") {
		return errors.New("there is no room")
	}
	if e.exists(".wait") {
		if err := os.WriteFile(e.path+".waits", nil, 0o600); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return os.WriteFile(e.path, nil, 0o600)
}

func (e touch) Rollback(context.Context) error { return os.RemoveAll(e.path) }
