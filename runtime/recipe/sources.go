package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// hashSources hashes every file below the folder runtime that can influence
// an artifact: all but tests and the programs that only use it.
func hashSources(source string) (string, error) {
	return hashTree(source, func(path string) bool {
		top, _, _ := strings.Cut(filepath.ToSlash(path), "/")
		return top == "cmd" || top == "trial" || isTest(path)
	})
}

func isTest(path string) bool { return strings.HasSuffix(path, "_test.go") }

// hashTree hashes names and contents of the files below a folder, in the order
// of their names; modes and times do not count, since they depend on the
// checkout. Of a symbolic link it is the target's name that counts: what it
// leads to may be a file of the host.
func hashTree(folder string, skip func(path string) bool) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if skip != nil && skip(relative) {
			return nil
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(sum, "%s -> %q\n", filepath.ToSlash(relative), target)
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d %x\n", filepath.ToSlash(relative), len(content), sha256.Sum256(content))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the recipe: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// lock makes this process the only one that works in the cache and the layout,
// which may be another cache's.
func lock(ctx context.Context, options Options) (unlock func(), err error) {
	for _, folder := range []string{options.Cache, options.Layout} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
	}
	// The layout has no file but those of the format, so its folder is locked.
	locks := []*flock.Flock{
		flock.New(filepath.Join(options.Cache, "lock")),
		flock.New(options.Layout, flock.SetFlag(os.O_RDONLY)),
	}
	release := func() {
		for _, held := range locks {
			_ = held.Close()
		}
	}
	for _, wanted := range locks {
		if err := waitFor(ctx, wanted, options.Log); err != nil {
			release()
			return nil, err
		}
	}
	if err := cleanCache(options); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func waitFor(ctx context.Context, wanted *flock.Flock, log io.Writer) error {
	locked, err := wanted.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s: %w", wanted.Path(), err)
	}
	if locked {
		return nil
	}
	_, _ = fmt.Fprintf(log, "waiting for another build, which has locked %s\n", wanted.Path())
	if _, err := wanted.TryLockContext(ctx, time.Second); err != nil {
		return fmt.Errorf("wait for %s: %w", wanted.Path(), err)
	}
	return nil
}

// cleanCache removes what killed runs left half made.
func cleanCache(options Options) error {
	if err := newSteps(filepath.Join(options.Cache, "steps"), options.Log).clean(); err != nil {
		return err
	}
	halfFetched, err := filepath.Glob(filepath.Join(options.Cache, "packages", fetchPrefix+"*"))
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	for _, file := range halfFetched {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("cache: %w", err)
		}
	}
	return nil
}
