// Package bundles reads what bundles say of themselves where Terraform runs, before
// anything of them is on a machine.
package bundles

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const (
	// HubScheme begins the name of a bundle in a hub.
	HubScheme = "oci://"
	// patience is how long a hub may take to say what a name leads to, and attempts
	// how often it is asked: somebody waits for the plan.
	patience = time.Minute
	attempts = 3
)

// InHub is the reference of a bundle in a hub; false for a path.
func InHub(name string) (reference string, ok bool) { return strings.CutPrefix(name, HubScheme) }

// Hubs reach hubs as tele does: with docker's credentials, and with the cache in which
// tele keeps what it pulled.
type Hubs struct {
	// Insecure are hosts that may speak HTTP, or have certificates that nobody vouches
	// for.
	Insecure []string
	// Retry says when requests are repeated that failed.
	Retry pull.Retry
}

// Connect makes a connection, which the caller closes. Nothing is sent yet.
func (h Hubs) Connect() (*hub.Connection, error) {
	folder, err := cachedir.Path("tele")
	if err != nil {
		return nil, err
	}
	return hub.Connect(hub.Options{Insecure: h.Insecure, StateDir: folder, Retry: h.Retry}), nil
}

// Look asks a hub what a reference leads to now. Errors have hints in terms of the
// provider.
func (h Hubs) Look(ctx context.Context, reference string) (*hub.Seen, error) {
	if h.Retry.Attempts == 0 {
		h.Retry.Attempts = attempts
	}
	connection, err := h.Connect()
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer after %s", patience))
	defer cancel()
	seen, err := connection.Look(ctx, reference)
	if err != nil {
		return nil, Explain(errors.Join(err, context.Cause(ctx)))
	}
	return seen, nil
}

// insecureFlag is how tele is told of a hub that speaks HTTP.
var insecureFlag = regexp.MustCompile(`add --insecure=(\S+)`)

// Explain has hints about a hub name what the provider has instead of tele's flags.
func Explain(err error) error {
	hints := cli.Hints(err)
	if len(hints) == 0 {
		hints = []string{"check the name, and that the hub can be reached from where Terraform runs"}
	}
	for i, hint := range hints {
		hints[i] = insecureFlag.ReplaceAllString(hint, `add "$1" to insecure_hubs of the provider`)
	}
	return &cli.Error{Err: errors.New(err.Error()), Hints: hints}
}
