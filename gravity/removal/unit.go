package removal

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Launched is an operation that removes a node.
type Launched struct {
	OperationID, Cluster string
	// Kept tells that nothing is removed from the node's machine, whose agent did not
	// answer.
	Kept bool
	// record is what the cluster said when the operation of another master went on;
	// nil if this one has it.
	record *record
}

// Elsewhere tells whether another master has the operation.
func (l *Launched) Elsewhere() bool { return l.record != nil }

// Launch makes the operation that removes a node and has it executed in a unit
// of its own, which neither the caller nor an agent that ends takes along. An
// operation that was begun for the same node goes on instead, on the master that
// has it. If that master does not answer, this one takes the removal over.
func Launch(ctx context.Context, p paths.Paths, request Request, gravityVersion string) (*Launched, error) {
	n, err := node.Read(p)
	if err != nil {
		return nil, err
	}
	store := disk.New(p.Operations())
	found, err := begun(ctx, store, request)
	if err != nil {
		return nil, err
	}
	r, err := recorded(ctx, p, n, recordTimeout)
	if err != nil {
		return nil, err
	}
	plan, err := current(ctx, store, found, request, r)
	if err != nil {
		return nil, err
	}
	if plan == nil && r != nil && r.state == stateShrinking && r.leaving.of(request.Node) && r.leaving.Lead.Nodename != n.Name {
		answer, err := askLead(ctx, p, r.leaving, "", request.Force)
		if err == nil {
			return &Launched{OperationID: answer.OperationID, Cluster: n.Cluster, Kept: answer.Kept, record: r}, nil
		}
		if _, unreachable := errors.AsType[*rpc.UnreachableError](err); !unreachable && !request.Force {
			return nil, fmt.Errorf("master %s, which removes the node: %w", r.leaving.Lead.Nodename, err)
		}
	}
	if plan != nil {
		err = again(ctx, p, store, found)
	} else if plan, err = NewPlan(ctx, p, request, gravityVersion); err == nil {
		err = keep(ctx, p, store, plan)
	}
	if err != nil {
		return nil, err
	}
	_, err = start(ctx, p, plan.OperationID)
	return &Launched{OperationID: plan.OperationID, Cluster: plan.ClusterName, Kept: keeps(plan)}, err
}

// keeps tells whether a plan leaves the node's software and data where they are.
func keeps(plan *operation.Plan) bool {
	return !slices.ContainsFunc(plan.Phases, func(phase operation.Phase) bool { return phase.Executor == uninstallExecutor })
}

// Resume has an operation of this master executed that removes a node and whose process
// has died, and tells whether it had to. Any other one, and one that is over, is left
// alone.
func Resume(ctx context.Context, p paths.Paths, name, operationID string) (started bool, err error) {
	unfinished, err := removes(ctx, disk.New(p.Operations()), name, operationID)
	if err != nil || !unfinished {
		return false, err
	}
	return start(ctx, p, operationID)
}

// removes tells whether an operation removes a node, and is not over.
func removes(ctx context.Context, store *disk.Store, name, operationID string) (bool, error) {
	found, err := store.Read(ctx, operationID)
	if errors.Is(err, operation.ErrNotFound) {
		return false, nil
	}
	if err != nil || !found.Active() || found.Plan.OperationType != operation.TypeShrink {
		return false, err
	}
	var s settings
	if err := found.Plan.Phases[0].Decode(&s); err != nil {
		return false, fmt.Errorf("operation %s: %w", operationID, err)
	}
	return (member.Member{Server: s.Node}).Called(name), nil
}

// recordTimeout is how long the API may take to say what the cluster is doing: whoever
// asked this master's agent asks the next one then.
const recordTimeout = 30 * time.Second

// recorded reads the cluster's record, with removals, on a master; other nodes may not.
func recorded(ctx context.Context, p paths.Paths, n *node.Node, within time.Duration) (*record, error) {
	if !n.Master {
		return nil, nil
	}
	client, err := kube.Open(p.KubernetesFile("admin.conf"))
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %s", within))
	defer cancel()
	r, err := readRecord(limited, client)
	if err == nil {
		r.removals, err = member.Removals(limited, client)
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && (limited.Err() != nil || kube.Transient(err)):
		return nil, cli.WithHint(err, "the Kubernetes API does not answer; etcd may have lost its quorum: "+
			"see 'gravity status', and start masters that are down until most of them run")
	}
	return r, err
}

// askLead lets the master go on that has the plan, with one operation or with
// whichever removes the node.
func askLead(ctx context.Context, p paths.Paths, leaving *departing, operationID string, force bool) (*rpc.Departing, error) {
	address, err := netip.ParseAddr(leaving.Lead.AdvertiseIP)
	if err != nil {
		return nil, err
	}
	client, err := rpc.Dial(certificate.FilesOf(p), rpc.AddressOf(address))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Depart(ctx, rpc.Departure{Node: leaving.Node.Nodename, Force: force, Operation: operationID})
}

// current is the plan of an operation of this master that goes on: nil if there is
// none. One without --force ends here if another takes its place, and so does one
// that another master has taken over.
func current(ctx context.Context, store *disk.Store, found *operation.Operation, request Request, r *record) (*operation.Plan, error) {
	if found == nil {
		return nil, nil
	}
	var s settings
	if err := found.Plan.Phases[0].Decode(&s); err != nil {
		return nil, fmt.Errorf("operation %s: %w", found.Plan.OperationID, err)
	}
	if (s.Force == request.Force || s.Force) && (r == nil || !overtaken(found, &s, r, r.removals[s.Node.Nodename])) {
		return found.Plan, nil
	}
	return nil, abandon(ctx, store, found.Plan.OperationID)
}

// overtaken tells whether another operation came before one: the record was its own
// and is not any more, though it did not come to its last phase, which gives the
// record up; or it never claimed the record, and either another one that removes the
// same node has it now, of which its plan knows nothing, or the node was removed
// since, at the given time: then the plan is that of a node that is no more.
func overtaken(found *operation.Operation, s *settings, r *record, removed time.Time) bool {
	phases := found.Resolve().Phases
	switch {
	case r.operation == found.Plan.OperationID:
		return false
	case phases[0].State == operation.Completed:
		return phases[len(phases)-1].State == operation.Unstarted
	case r.state == stateShrinking:
		return r.leaving.of(s.Node.Nodename) && r.operation != s.Earlier
	default:
		return s.outdated(found.Plan, removed)
	}
}

// begun finds the operation of this master that removes a node and has not ended.
func begun(ctx context.Context, store *disk.Store, request Request) (*operation.Operation, error) {
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
		if (member.Member{Server: s.Node}).Called(request.Node) {
			return found, nil
		}
	}
	return nil, nil
}

func abandon(ctx context.Context, store *disk.Store, operationID string) error {
	engine, err := operation.Open(ctx, operation.Config{Store: store}, operationID)
	if errors.Is(err, operation.ErrLocked) {
		return cli.WithHint(rpc.Refuse(err), "stop it with 'systemctl stop %s', and repeat", unitPrefix+operationID)
	}
	if err != nil {
		return err
	}
	_, err = engine.Complete(ctx)
	return errors.Join(err, engine.Close())
}

// unitPrefix begins the names of units that execute operations.
const unitPrefix = "gravity-operation-"

// start executes an operation in a unit, unless one does already, and tells whether it
// had to.
func start(ctx context.Context, p paths.Paths, operationID string) (bool, error) {
	program, err := os.Executable()
	if err != nil {
		return false, err
	}
	if active(ctx, operationID) {
		return false, nil
	}
	output, err := exec.CommandContext(ctx, "systemd-run", "--quiet", "--collect", "--unit="+unitPrefix+operationID,
		"--description=Gravity operation "+operationID, "--setenv=HOME=/root",
		program, "plan", "resume", "--state-dir="+p.Root, "--operation-id="+operationID).CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("execute operation %s: %w: %s", operationID, err, strings.TrimSpace(string(output)))
	}
	return true, nil
}
