package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const (
	// hubScheme begins the name of a bundle in a hub.
	hubScheme = "oci://"
	// hubPatience is how long a hub may take to say what a name leads to, and
	// hubAttempts how often it is asked: somebody waits for the plan.
	hubPatience = time.Minute
	hubAttempts = 3
	// keepUnused is how long files of bundles are kept that nobody uses.
	keepUnused = 30 * 24 * time.Hour
)

// inHub is the reference of a bundle in a hub; false for a path.
func inHub(name string) (reference string, ok bool) { return strings.CutPrefix(name, hubScheme) }

func isHub(name string) bool {
	_, ok := inHub(name)
	return ok
}

// pinned tells whether a name never leads to another bundle.
func pinned(name string) bool {
	reference, ok := inHub(name)
	return ok && strings.Contains(reference, "@sha256:")
}

// hubs reach hubs as tele does: with docker's credentials, and with the cache in which
// tele keeps what it pulled.
type hubs struct {
	// insecure are hosts that may speak HTTP, or have certificates that nobody vouches
	// for.
	insecure []string
	// retry says when requests are repeated that failed.
	retry pull.Retry
}

// hubs are those that the provider may reach. It has nothing while Terraform only
// validates.
func (r *clusterResource) hubs() hubs {
	if r.reach == nil {
		return hubs{}
	}
	return hubs{insecure: r.reach.InsecureHubs}
}

func (h hubs) options() (hub.Options, error) {
	folder, err := cachedir.Path("tele")
	return hub.Options{Insecure: h.insecure, StateDir: folder, Retry: h.retry}, err
}

// look asks a hub what a reference leads to now.
func (h hubs) look(ctx context.Context, reference string) (*offer, error) {
	options, err := h.options()
	if err != nil {
		return nil, err
	}
	if options.Retry.Attempts == 0 {
		options.Retry.Attempts = hubAttempts
	}
	ctx, cancel := context.WithTimeoutCause(ctx, hubPatience, fmt.Errorf("no answer after %s", hubPatience))
	defer cancel()
	connection := hub.Connect(options)
	defer connection.Close()
	seen, err := connection.Look(ctx, reference)
	if err != nil {
		return nil, explainHub(errors.Join(err, context.Cause(ctx)))
	}
	return &offer{digest: seen.Digest.String(), index: seen.Index, signatures: seen.Signatures, manifest: seen.Manifest}, nil
}

// insecureFlag is how tele is told of a hub that speaks HTTP.
var insecureFlag = regexp.MustCompile(`add --insecure=(\S+)`)

// explainHub has hints name what the provider has instead of tele's flags.
func explainHub(err error) error {
	hints := cli.Hints(err)
	if len(hints) == 0 {
		hints = []string{"check the name, and that the hub can be reached from where Terraform runs"}
	}
	for i, hint := range hints {
		hints[i] = insecureFlag.ReplaceAllString(hint, `add "$1" to insecure_hubs of the provider`)
	}
	return &cli.Error{Err: errors.New(err.Error()), Hints: hints}
}

// fetch brings a bundle of a digest from a hub into a file, which is named by that
// digest and made once: others that want the same one wait for it. What was
// interrupted goes on with what the cache has. Files that nobody has used for long
// are removed.
func (h hubs) fetch(ctx context.Context, reference, digest string) (path string, err error) {
	folder, err := cachedir.Path("bundles")
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, strings.TrimPrefix(digest, "sha256:")+".tar")
	lock := flock.New(path + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", err
	}
	defer lock.Close()
	prune(ctx, folder, filepath.Base(path))
	if present, err := openFile(path); err == nil && present.digest == digest {
		now := time.Now()
		return path, os.Chtimes(path, now, now)
	}
	options, err := h.options()
	if err != nil {
		return "", err
	}
	tflog.Info(ctx, "fetch the bundle", map[string]any{"from": reference, "digest": digest})
	connection := hub.Connect(options)
	defer connection.Close()
	remote, err := connection.Find(ctx, reference)
	if err != nil {
		return "", explainHub(err)
	}
	defer func() { err = errors.Join(err, remote.Close(ctx)) }()
	if remote.Digest.String() != digest {
		return "", errMoved(reference, remote.Digest.String(), digest)
	}
	if _, err := remote.Write(ctx, path, nil); err != nil {
		return "", explainHub(err)
	}
	return path, nil
}

func errMoved(name, found, planned string) error {
	return cli.WithHint(fmt.Errorf("%s is another bundle now, %s, than the one that was planned, %s", name, found, planned), "plan again")
}

// prune removes files but one that were not used for long, and no locks. Whoever
// still reads one has it open. Nothing depends on it.
func prune(ctx context.Context, folder, but string) {
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		info, infoErr := entry.Info()
		if infoErr != nil || strings.HasPrefix(entry.Name(), but) || strings.HasSuffix(entry.Name(), ".lock") || time.Since(info.ModTime()) < keepUnused {
			continue
		}
		if removed := os.Remove(filepath.Join(folder, entry.Name())); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}
	if err != nil {
		tflog.Warn(ctx, "bundles that nobody uses stay", map[string]any{"folder": folder, "error": err.Error()})
	}
}
