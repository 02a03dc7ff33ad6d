package status

import (
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

const stateFailed = "failed"

// states are those of a cluster while an operation is active.
var states = map[string]string{
	operation.TypeInstall:       "installing",
	operation.TypeExpand:        "expanding",
	operation.TypeShrink:        "shrinking",
	operation.TypeUninstall:     "uninstalling",
	operation.TypeUpdate:        "updating",
	operation.TypeGC:            "collecting_garbage",
	operation.TypeUpdateEnviron: "updating_environ",
	operation.TypeUpdateConfig:  "updating_config",
	operation.TypeReconfigure:   "reconfiguring",
}

// addOperations tells what operations do to the cluster, or did last.
func addOperations(cluster *report.StatusCluster, all []*operation.Operation) {
	cluster.ActiveOperations = []report.StatusOperation{}
	for _, one := range all {
		if one.Plan.OperationType == operation.TypeInstall && cluster.Created.IsZero() {
			cluster.Created = one.Plan.CreatedAt
		}
		shown := Operation(one)
		if one.Active() {
			cluster.ActiveOperations = append(cluster.ActiveOperations, shown)
			if state, ok := states[one.Plan.OperationType]; ok {
				cluster.State = state
			}
		}
		cluster.Operation = &shown
	}
	if len(cluster.ActiveOperations) > 0 {
		cluster.Operation = &cluster.ActiveOperations[0]
	} else if last := cluster.Operation; last != nil && last.Type == operation.TypeInstall && last.State != string(operation.Completed) {
		cluster.State = stateFailed
	}
}

// Operation is what is shown of an operation.
func Operation(one *operation.Operation) report.StatusOperation {
	plan := one.Resolve()
	shown := report.StatusOperation{
		Type: plan.OperationType, ID: plan.OperationID, State: string(one.State()), Created: plan.CreatedAt,
		Progress: report.StatusProgress{Message: "Operation has been created", Created: plan.CreatedAt},
	}
	leaves := plan.Leaves()
	done := 0
	for _, leaf := range leaves {
		if leaf.State == operation.Completed {
			done++
		}
		if leaf.State != operation.Unstarted && !leaf.Updated.Before(shown.Progress.Created) {
			shown.Progress.Message, shown.Progress.Created = leaf.Description, leaf.Updated
			if leaf.Error != nil {
				shown.Progress.Message = leaf.Error.Message
			}
		}
	}
	if len(leaves) > 0 {
		shown.Progress.Completion = 100 * done / len(leaves)
	}
	if !one.Active() {
		shown.Progress.Message = "Operation has " + shown.State
		shown.Progress.Created = ended(one)
	}
	return shown
}

// ended is when an operation was completed or has failed.
func ended(one *operation.Operation) time.Time {
	for _, entry := range slices.Backward(one.Entries) {
		if entry.PhaseID == operation.OperationPhase {
			return entry.Created
		}
	}
	return time.Time{}
}
