package operation_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
)

// file is an executor that makes a file.
type file struct{ path string }

func (f file) Done(context.Context) (bool, error) {
	_, err := os.Stat(f.path)
	return err == nil, nil
}

func (f file) Execute(context.Context) error  { return os.WriteFile(f.path, nil, 0o600) }
func (f file) Rollback(context.Context) error { return os.RemoveAll(f.path) }

// A plan is stored, and then executed, by this process or another one.
func Example() {
	dir, err := os.MkdirTemp("", "operation")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store := disk.New(filepath.Join(dir, "operations"))
	plan := &operation.Plan{
		OperationID:   operation.NewID(),
		OperationType: operation.TypeInstall,
		ClusterName:   "example.com",
		Phases: []operation.Phase{
			{ID: "/bootstrap", Executor: "file", Description: "Make a file"},
			{ID: "/app", Executor: "file", Description: "Make another", Requires: []string{"/bootstrap"}},
		},
	}
	if err := store.Create(ctx, plan); err != nil {
		panic(err)
	}
	engine, err := operation.Open(ctx, operation.Config{
		Store: store,
		Executors: func(_ context.Context, _ *operation.Plan, phase operation.Phase, _ operation.Logger) (operation.Executor, error) {
			return file{filepath.Join(dir, phase.Name())}, nil
		},
		Observe: func(event operation.Event) {
			fmt.Printf("%d/%d %s %s\n", event.Index, event.Total, event.Phase.ID, event.State)
		},
	}, plan.OperationID)
	if err != nil {
		panic(err)
	}
	defer engine.Close()
	fmt.Println(engine.Resume(ctx), engine.Plan().State())
	// Output:
	// 1/2 /bootstrap In Progress
	// 1/2 /bootstrap Completed
	// 2/2 /app In Progress
	// 2/2 /app Completed
	// <nil> Completed
}
