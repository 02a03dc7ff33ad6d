package operation

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// ErrNoAgent is about a node where nothing can execute phases.
var ErrNoAgent = errors.New("no agent is running")

// event begins the events about a phase.
func (e *Engine) event(n *node, action Action) Event {
	event := Event{Action: action, Phase: *n.phase, Index: n.index, Total: len(e.tree.leaves)}
	if server := n.phase.Server(); server != nil && !e.config.Local(*server) {
		event.Server = server
	}
	return event
}

// executor makes the executor of a leaf, for this node or another.
func (e *Engine) executor(ctx context.Context, n *node, action Action) (Executor, Event, error) {
	event := e.event(n, action)
	if event.Server == nil {
		executor, err := e.config.Executors(ctx, e.plan, *n.phase, e.config.Log)
		if err != nil {
			return nil, event, fmt.Errorf("phase %q: %w", n.phase.ID, err)
		}
		return executor, event, nil
	}
	if e.config.Remote == nil {
		return nil, event, noAgent(event)
	}
	executor, err := e.config.Remote.Executor(ctx, *event.Server, e.plan, *n.phase, e.config.Log)
	switch {
	case errors.Is(err, ErrNoAgent):
		return nil, event, noAgent(event)
	case err != nil:
		return nil, event, fmt.Errorf("phase %q on node %s: %w", n.phase.ID, event.Server.Hostname, err)
	}
	return executor, event, nil
}

// noAgentError has its own words, and is ErrNoAgent.
type noAgentError string

func (e noAgentError) Error() string { return string(e) }

func (noAgentError) Is(target error) bool { return target == ErrNoAgent }

func noAgent(event Event) error {
	node, id := event.Server.Hostname, event.Phase.ID
	if event.Action == ActionExecute {
		return noAgentError(fmt.Sprintf("no agent is running on node %s, please execute phase %q locally on that node", node, id))
	}
	return noAgentError(fmt.Sprintf("Node %s does not appear to have an upgrade agent running so phase %q rollback cannot be performed "+
		"remotely from this node. You can redeploy upgrade agents on all cluster nodes using \"./gravity agent deploy\", or execute "+
		"\"./gravity plan rollback --phase=%s\" directly from %s.", node, id, id, node))
}

// IsLocal tells whether the server is this node: whether one of this node's
// interfaces has its address.
func IsLocal(server Server) bool {
	wanted := net.ParseIP(server.AdvertiseIP)
	addresses, err := net.InterfaceAddrs()
	if err != nil || wanted == nil {
		return false
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.Equal(wanted) {
			return true
		}
	}
	return false
}
