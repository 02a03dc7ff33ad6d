package report

// States of agents.
const (
	AgentRunning = "running"
	AgentOffline = "offline"
)

// Agents is what `gravity agent deploy`, `shutdown` and `status` print.
type Agents struct {
	// Agents are those of all nodes, masters first.
	Agents []Agent `json:"agents"`
}

// Agent is the agent of a node.
type Agent struct {
	Node    string `json:"node"`
	Address string `json:"address"`
	// State is running, or offline if it does not answer or did not do what was
	// asked; then Error says why.
	State string `json:"state"`
	Error string `json:"error,omitempty"`
	// Version and Digest are of the gravity that it is. The digest is SHA-256 in
	// hexadecimal.
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	// Membership is how the first agent that answers sees the node: alive, leaving,
	// left or failed; empty if it does not see it.
	Membership string `json:"membership,omitempty"`
	// Deployed tells whether that is another one than is installed.
	Deployed bool `json:"deployed"`
}
