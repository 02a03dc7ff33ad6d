// Package image builds the images of the example application into an OCI image
// layout. Layers that the runtime has, it takes from the runtime by digest, so
// that a bundle of both has them once; only the ledger program is compiled.
package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/recipe"
)

// Host and the names below it are how the application asks for its images.
const prefix = "gravity.local/examples/"

// Versions of the application that are built. They differ in what the program
// says of itself, from which its schema of rows follows.
var versions = []string{"1.0.0", "2.0.0"}

// HookVersion is the version of the hooks' image.
const hookVersion = "1.0.0"

// Options say where everything is.
type Options struct {
	// Source is the folder of the programs: the nested module examples/images.
	Source string
	// Runtimes is the layout that `make runtimes` wrote.
	Runtimes string
	// Layout is the layout to write; nobody else writes to it.
	Layout string
	// Log takes a line for each step.
	Log io.Writer
}

// Report is what was built.
type Report struct {
	Layout   string  `json:"layout"`
	UpToDate bool    `json:"upToDate"`
	Images   []Named `json:"images"`
}

// Named is an image by its name.
type Named struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Bytes  int64  `json:"bytes"` // of manifest, configuration and layers
}

// recipeVersion changes when what this package makes of equal sources does.
const recipeVersion = 1

// Build builds the images unless the layout has them already. Equal sources and
// an equal runtime give equal digests. It may be interrupted at any time: the
// layout is then as it was, or complete.
func Build(ctx context.Context, options Options) (*Report, error) {
	base, err := openRuntime(options.Runtimes)
	if err != nil {
		return nil, err
	}
	sources, err := hashSources(options.Source)
	if err != nil {
		return nil, err
	}
	key, err := keyOf(recipeVersion, recipe.Toolchain, buildArguments("", ""), versions, sources, base.version, base.names())
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(options.Layout), 0o755); err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	unlock, err := lock(ctx, options)
	if err != nil {
		return nil, err
	}
	defer unlock()
	target, err := openLayout(options.Layout)
	if err != nil {
		return nil, err
	}
	report := &Report{Layout: options.Layout, UpToDate: target.isCurrent(key)}
	if !report.UpToDate {
		b := &builder{options: options, runtime: base, layout: target, key: key}
		if err := b.build(ctx); err != nil {
			return nil, err
		}
	}
	report.Images, err = target.images()
	return report, err
}

// lock keeps two builds into one layout apart.
func lock(ctx context.Context, options Options) (unlock func(), err error) {
	file := flock.New(options.Layout + ".lock")
	ok, err := file.TryLock()
	if err == nil && !ok {
		_, _ = fmt.Fprintf(options.Log, "another build writes to %s; waiting for it\n", options.Layout)
		_, err = file.TryLockContext(ctx, 200*time.Millisecond)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", options.Layout, err)
	}
	return func() { _ = file.Unlock() }, nil
}

// keyOf hashes what the images are built from.
func keyOf(parts ...any) (string, error) {
	encoded, err := json.Marshal(parts)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:]), nil
}

// hintImages says how to get the images.
func hintImages(err error) error { return cli.WithHint(err, "run 'make example-images'") }

// hintRuntimes says how to get what is missing.
func hintRuntimes(err error) error {
	return cli.WithHint(err, "run 'make runtimes', of which the images of the example have layers")
}
