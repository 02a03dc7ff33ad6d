package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/bundles"
)

// keepUnused is how long files of bundles are kept that nobody uses.
const keepUnused = 30 * 24 * time.Hour

func isHub(name string) bool {
	_, ok := bundles.InHub(name)
	return ok
}

// pinned tells whether a name never leads to another bundle.
func pinned(name string) bool {
	reference, ok := bundles.InHub(name)
	return ok && strings.Contains(reference, "@sha256:")
}

// hubs are where bundles come from that do not lie here.
type hubs struct{ bundles.Hubs }

// hubs are those that the provider may reach. It has nothing while Terraform only
// validates.
func (r *clusterResource) hubs() hubs {
	if r.reach == nil {
		return hubs{}
	}
	return hubs{bundles.Hubs{Insecure: r.reach.InsecureHubs}}
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
	connection, err := h.Connect()
	if err != nil {
		return "", err
	}
	defer connection.Close()
	tflog.Info(ctx, "fetch the bundle", map[string]any{"from": reference, "digest": digest})
	remote, err := connection.Find(ctx, reference)
	if err != nil {
		return "", bundles.Explain(err)
	}
	defer func() { err = errors.Join(err, remote.Close(ctx)) }()
	if remote.Digest.String() != digest {
		return "", errMoved(reference, remote.Digest.String(), digest)
	}
	if _, err := remote.Write(ctx, path, nil); err != nil {
		return "", bundles.Explain(err)
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
