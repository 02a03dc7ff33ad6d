package access

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"golang.org/x/sync/semaphore"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

// Access is what the provider hands to its resources. Its methods may be called
// concurrently.
type Access struct {
	// InsecureHubs are hosts of hubs that may speak HTTP, or have certificates that
	// nobody vouches for. It is set before anybody uses the rest.
	InsecureHubs []string

	settings Settings
	pool     *connection.Pool

	mu    sync.Mutex
	turns map[string]*semaphore.Weighted
}

// New makes connections with the provider's settings.
func New(settings Settings, pool *connection.Pool) *Access {
	return &Access{settings: settings, pool: pool, turns: make(map[string]*semaphore.Weighted)}
}

// maxJoins is how many nodes a cluster lets in at a time.
const maxJoins = 5

// Join waits until a node may join the cluster of a name, as far as this Terraform
// is concerned: the cluster itself may say no. Joins exclude removals.
func (a *Access) Join(ctx context.Context, cluster string) (done func(), err error) {
	return a.turn(ctx, cluster, 1)
}

// Leave waits until a node may leave: one at a time.
func (a *Access) Leave(ctx context.Context, cluster string) (done func(), err error) {
	return a.turn(ctx, cluster, maxJoins)
}

func (a *Access) turn(ctx context.Context, cluster string, weight int64) (done func(), err error) {
	a.mu.Lock()
	turns, ok := a.turns[cluster]
	if !ok {
		turns = semaphore.NewWeighted(maxJoins)
		a.turns[cluster] = turns
	}
	a.mu.Unlock()
	if err := turns.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("wait for other nodes of cluster %s: %w", cluster, context.Cause(ctx))
	}
	return func() { turns.Release(weight) }, nil
}

// Mask keeps the provider's secrets out of what is logged with the context.
func (a *Access) Mask(ctx context.Context) context.Context { return a.settings.Mask(ctx) }

// Reach returns a machine without connecting: the provider's, changed by what the
// node has of its own. The caller calls release when done. Settings that are not
// known yet are an *UnknownError.
func (a *Access) Reach(of Settings, options node.Options) (reached *node.Node, release func(), err error) {
	config, err := a.settings.Merge(of).Config()
	if err != nil {
		return nil, nil, fmt.Errorf("ssh: %w", err)
	}
	host, err := a.pool.Get(config)
	if err != nil {
		return nil, nil, fmt.Errorf("ssh: %w", err)
	}
	return node.New(host, options), host.Release, nil
}

// AddProblems adds what Check found to the diagnostics of a provider or a
// resource whose attribute is named ssh.
func AddProblems(diagnostics *diag.Diagnostics, problems []*connection.FieldError) {
	for _, problem := range problems {
		diagnostics.AddAttributeError(path.Root("ssh").AtName(problem.Field),
			"Invalid SSH setting", "ssh."+Detail(problem))
	}
}

// Detail is an error for a diagnostic: the message, then what to do.
func Detail(err error) string {
	parts := append([]string{sentence(err.Error())}, cli.Hints(err)...)
	for i, hint := range parts[1:] {
		parts[i+1] = sentence("To do: " + hint)
	}
	return strings.Join(parts, "\n\n")
}

func sentence(text string) string {
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
