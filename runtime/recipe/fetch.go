package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
)

// fetchPrefix begins the names of packages that are still being fetched.
const fetchPrefix = ".fetch-"

// ErrPackageGone says that the archive no longer has a locked package, as
// happens when a newer version replaces it.
var ErrPackageGone = errors.New("the archive has it no longer")

// fetcher brings locked packages from the mirrors into a folder.
type fetcher struct {
	// mirrors is called only when a package is missing: apt takes its time.
	mirrors func() (debian.Mirrors, error)
	// pause is how long to wait before an attempt, the first of which is 0.
	pause func(attempt int) time.Duration
}

// fetchPackages brings the packages into the cache and returns their files, in
// the order given.
func (b *builder) fetchPackages(ctx context.Context, packages []lockedPackage) ([]string, error) {
	f := fetcher{
		mirrors: sync.OnceValues(func() (debian.Mirrors, error) { return debian.FindMirrors(ctx) }),
		pause:   func(attempt int) time.Duration { return time.Duration(1<<attempt) * time.Second },
	}
	return f.fetchAll(ctx, filepath.Join(b.cache, "packages"), packages)
}

func (f fetcher) fetchAll(ctx context.Context, folder string, packages []lockedPackage) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	files := make([]string, len(packages))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(6)
	for i, p := range packages {
		files[i] = filepath.Join(folder, p.SHA256+".deb")
		if _, err := os.Stat(files[i]); err == nil {
			continue
		}
		group.Go(func() error {
			mirrors, err := f.mirrors()
			if err != nil {
				return err
			}
			if err := f.fetchWithRetries(ctx, mirrors, p, files[i]); err != nil {
				return fmt.Errorf("fetch package %s %s: %w", p.Name, p.Version, err)
			}
			return nil
		})
	}
	return files, group.Wait()
}

func (f fetcher) fetchWithRetries(ctx context.Context, mirrors debian.Mirrors, p lockedPackage, file string) error {
	const attempts = 4
	var err error
	for attempt := range attempts {
		if attempt > 0 {
			select {
			case <-time.After(f.pause(attempt)):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		err = fetchFromAny(ctx, mirrors, p, file)
		if err == nil || errors.Is(err, ErrPackageGone) {
			return err
		}
	}
	return fmt.Errorf("tried %d times: %w", attempts, err)
}

// fetchFromAny tries the archive that the lock names, then the other: updates
// wander from the security archive to the main one.
func fetchFromAny(ctx context.Context, mirrors debian.Mirrors, p lockedPackage, file string) error {
	order := []string{mirrors.Main, mirrors.Security}
	if p.Archive == securityArchive {
		order = []string{mirrors.Security, mirrors.Main}
	}
	err := ErrPackageGone
	for _, mirror := range order {
		if mirror == "" {
			continue
		}
		if err = fetch(ctx, mirror+"/"+p.Path, p, file); !errors.Is(err, ErrPackageGone) {
			return err
		}
	}
	return cli.WithHint(err, "run 'make runtimes-lock' and commit runtime/debian/packages.lock; digests of runtimes change with it")
}

func fetch(ctx context.Context, address string, p lockedPackage, file string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return ErrPackageGone
	default:
		return fmt.Errorf("the mirror answers %s", response.Status)
	}
	return saveVerified(io.LimitReader(response.Body, p.Size+1), p, file)
}

// saveVerified writes a package under its name only if it is what was locked.
func saveVerified(r io.Reader, p lockedPackage, file string) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), fetchPrefix+"*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone after the rename
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(temporary, sum), r)
	if err == nil {
		err = temporary.Chmod(0o644)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); size != p.Size || got != p.SHA256 {
		return fmt.Errorf("got %d bytes with SHA-256 %s, the lock says %d bytes with %s", size, got, p.Size, p.SHA256)
	}
	return os.Rename(temporary.Name(), file)
}
