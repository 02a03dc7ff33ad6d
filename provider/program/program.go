// Package program brings the gravity of a cluster onto machines that join it. It
// comes from a master, by way of a cache here, so that several machines that join
// at the same time, and later ones, fetch it once.
package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

// Program is a gravity that lies here.
type Program struct {
	// Path is where, and Digest the SHA-256 of the content, as sha256:….
	Path, Digest string
}

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Fetch returns the program that a master runs. It is checked each time.
func Fetch(ctx context.Context, master *node.Node) (Program, error) {
	fetched, err := fetch(ctx, master)
	if err != nil {
		return fetched, fmt.Errorf("get gravity from %s: %w", master, err)
	}
	return fetched, nil
}

func fetch(ctx context.Context, master *node.Node) (Program, error) {
	const find = `readlink -f "$(command -v gravity)"`
	result, err := master.Run(ctx, connection.Command{Args: []string{"sh", "-euc", "sha256sum <\"$(" + find + ")\"", "digest"}})
	if err != nil {
		return Program{}, err
	}
	digest, _, _ := strings.Cut(string(result.Stdout), " ")
	if !digestPattern.MatchString(digest) {
		return Program{}, fmt.Errorf("sha256sum prints %q", result.Stdout)
	}
	folder, err := cachedir.Path("programs")
	if err != nil {
		return Program{}, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return Program{}, err
	}
	found := Program{Path: filepath.Join(folder, digest), Digest: "sha256:" + digest}
	lock := flock.New(found.Path + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return Program{}, err
	}
	defer lock.Close()
	present, err := has(found.Path, digest)
	if present || err != nil {
		return found, err
	}
	return found, download(ctx, master, "cat \"$("+find+")\"", found.Path, digest)
}

// has tells whether a file has the content of a digest.
func has(path, digest string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == digest, nil
}

// download stores what a script prints, if it has the digest.
func download(ctx context.Context, master *node.Node, script, path, digest string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	sum := sha256.New()
	_, err = master.Run(ctx, connection.Command{Args: []string{"sh", "-euc", script, "read"}, Stdout: io.MultiWriter(file, sum)})
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != digest {
		err = errors.New("what arrived is not what was sent")
	}
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
