package removal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Launch makes the operation that removes a node and has it executed in a unit
// of its own, which neither the caller nor an agent that ends takes along. An
// operation that was begun for the same node goes on instead.
func Launch(ctx context.Context, p paths.Paths, request Request, gravityVersion string) (*operation.Plan, error) {
	store := disk.New(p.Operations())
	plan, err := begun(ctx, store, request)
	if err != nil {
		return nil, err
	}
	if plan == nil {
		if plan, err = NewPlan(ctx, p, request, gravityVersion); err != nil {
			return nil, err
		}
		if err := store.Create(ctx, plan); err != nil {
			return nil, err
		}
	}
	return plan, start(ctx, p, plan.OperationID)
}

// begun finds the operation that removes a node and has not ended. One without
// --force ends here if another takes its place.
func begun(ctx context.Context, store *disk.Store, request Request) (*operation.Plan, error) {
	all, err := operation.All(ctx, store)
	if err != nil {
		return nil, err
	}
	for _, found := range all {
		if found.Plan.OperationType != operation.TypeShrink || !found.Active() {
			continue
		}
		var s settings
		if err := found.Plan.Phases[0].Decode(&s); err != nil {
			return nil, fmt.Errorf("operation %s: %w", found.Plan.OperationID, err)
		}
		if !(member.Member{Server: s.Node}).Called(request.Node) {
			continue
		}
		if s.Force == request.Force || s.Force {
			return found.Plan, nil
		}
		if err := abandon(ctx, store, found.Plan.OperationID); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func abandon(ctx context.Context, store *disk.Store, operationID string) error {
	engine, err := operation.Open(ctx, operation.Config{Store: store}, operationID)
	if errors.Is(err, operation.ErrLocked) {
		return cli.WithHint(err, "stop it with 'systemctl stop %s', and repeat", unitPrefix+operationID)
	}
	if err != nil {
		return err
	}
	_, err = engine.Complete(ctx)
	return errors.Join(err, engine.Close())
}

// unitPrefix begins the names of units that execute operations.
const unitPrefix = "gravity-operation-"

// start executes an operation in a unit, unless one does already.
func start(ctx context.Context, p paths.Paths, operationID string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	unit := unitPrefix + operationID
	if exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", unit).Run() == nil {
		return nil
	}
	output, err := exec.CommandContext(ctx, "systemd-run", "--quiet", "--collect", "--unit="+unit,
		"--description=Gravity operation "+operationID, "--setenv=HOME=/root",
		program, "plan", "resume", "--state-dir="+p.Root, "--operation-id="+operationID).CombinedOutput()
	if err != nil {
		return fmt.Errorf("execute operation %s: %w: %s", operationID, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// Wait waits until the unit of an operation has ended, and fails if the
// operation has not completed.
func Wait(ctx context.Context, p paths.Paths, operationID string) (operation.State, error) {
	store := disk.New(p.Operations())
	// is-active waits for nothing; the store is what counts.
	for {
		found, err := store.Read(ctx, operationID)
		if err != nil {
			return "", err
		}
		if !found.Active() {
			return found.State(), nil
		}
		if exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", unitPrefix+operationID).Run() != nil {
			if found, err = store.Read(ctx, operationID); err == nil && !found.Active() {
				return found.State(), nil
			}
			return operation.InProgress, failure(found)
		}
		if err := pause(ctx); err != nil {
			return "", err
		}
	}
}

// failure is why an operation does not go on.
func failure(found *operation.Operation) error {
	for _, entry := range slices.Backward(found.Entries) {
		if entry.NewState == operation.Failed && entry.Error != nil {
			return &cli.Error{Err: fmt.Errorf("phase %s: %s", entry.PhaseID, entry.Error.Message), Hints: entry.Error.Hints}
		}
	}
	return errors.New("the operation was interrupted")
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(500 * time.Millisecond):
		return nil
	}
}
