package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
// checkout.
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

// lock makes this process the only one that works in the cache and the layout.
func lock(ctx context.Context, options Options) (unlock func(), err error) {
	if err := os.MkdirAll(options.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	path := filepath.Join(options.Cache, "lock")
	file := flock.New(path)
	locked, err := file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !locked {
		_, _ = fmt.Fprintf(options.Log, "waiting for another build that uses %s\n", options.Cache)
		if _, err := file.TryLockContext(ctx, time.Second); err != nil {
			return nil, fmt.Errorf("wait for %s: %w", path, err)
		}
	}
	unlock = func() { _ = file.Unlock() }
	if err := cleanCache(options); err != nil {
		return nil, errors.Join(err, file.Unlock())
	}
	return unlock, nil
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
