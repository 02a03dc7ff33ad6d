package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// PodCgroup is the cgroup of all pods, which the kubelet makes outside of that of the
// container.
const PodCgroup = "kubepods"

// RemoveCgroups ends what still runs in some cgroups of this host, and removes them
// from every hierarchy.
//
// Those of pods that a container leaves that is killed have to go before it starts
// again: the kubelet asks containerd for each, for three seconds.
func RemoveCgroups(ctx context.Context, names ...string) error {
	var roots []string
	for _, pattern := range []string{"/sys/fs/cgroup/%s", "/sys/fs/cgroup/*/%s"} {
		for _, name := range names {
			found, err := filepath.Glob(fmt.Sprintf(pattern, name))
			if err != nil {
				return err
			}
			roots = append(roots, found...)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		var left []string
		for _, root := range roots {
			if err := removeCgroup(root); err != nil {
				left = append(left, root)
			}
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cgroups %s still have processes", strings.Join(left, ", "))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// removeCgroup kills what is in a cgroup and removes it with those below.
func removeCgroup(root string) error {
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil // what has gone meanwhile is no matter
	})
	for _, folder := range slices.Backward(folders) {
		if content, readErr := os.ReadFile(filepath.Join(folder, "cgroup.procs")); readErr == nil {
			for pid := range strings.FieldsSeq(string(content)) {
				kill(pid)
			}
		}
		if removeErr := os.Remove(folder); removeErr != nil && !errors.Is(removeErr, os.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}
	return err
}

func kill(pid string) {
	var number int
	if _, err := fmt.Sscan(pid, &number); err == nil && number > 1 {
		_ = syscall.Kill(number, syscall.SIGKILL) // it may have ended
	}
}
