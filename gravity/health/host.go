package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// setting wants a setting of the kernel to be 1.
func setting(file string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		value, err := readWord(file)
		if err != nil {
			return "", err
		}
		name := strings.ReplaceAll(strings.TrimPrefix(file, "/proc/sys/"), "/", ".")
		if value != "1" {
			return "", fmt.Errorf("%s is %s, and must be 1", name, value)
		}
		return "", nil
	}
}

func readWord(file string) (string, error) {
	content, err := os.ReadFile(file)
	return strings.TrimSpace(string(content)), err
}

// inotify checks that files can be watched, and that many can.
type inotify struct {
	// folder is one to watch, limits the kernel's folder of limits.
	folder, limits string
}

// Below these limits kubelet, containerd and what pods run fail sooner or later
// with "too many open files".
const (
	minWatches   = 65536
	minInstances = 512
)

func (i inotify) check(context.Context) (string, error) {
	if err := watch(i.folder); err != nil {
		return "", fmt.Errorf("watch %s: %w", i.folder, err)
	}
	var problems []error
	for _, limit := range []struct {
		name  string
		least int
	}{{"max_user_watches", minWatches}, {"max_user_instances", minInstances}} {
		text, err := readWord(filepath.Join(i.limits, limit.name))
		if err != nil {
			return "", err
		}
		value, err := strconv.Atoi(text)
		if err != nil {
			return "", fmt.Errorf("fs.inotify.%s: %w", limit.name, err)
		}
		if value < limit.least {
			problems = append(problems, fmt.Errorf("fs.inotify.%s is %d, and should be at least %d", limit.name, value, limit.least))
		}
	}
	if len(problems) > 0 {
		return "", warning{errors.Join(problems...)}
	}
	return "", nil
}

// Watermarks of the file system with the state folder, in percent.
const (
	diskWarning  = 80
	diskCritical = 90
)

func diskSpace(folder string) (string, error) {
	used, available, err := usage(folder)
	if err != nil {
		return "", fmt.Errorf("space of %s: %w", folder, err)
	}
	return judgeSpace(folder, used, available)
}

// judgeSpace takes what is used of a file system, and what is available to
// users; what is reserved for root is neither.
func judgeSpace(folder string, used, available uint64) (string, error) {
	total := used + available
	if total == 0 {
		return "", unknown{fmt.Errorf("the file system of %s tells no size", folder)}
	}
	percent := int(100 * (float64(used) / float64(total)))
	detail := fmt.Sprintf("%d%% of %s is used, %.1f GiB available", percent, folder, float64(available)/(1<<30))
	switch {
	case percent >= diskCritical:
		return detail, fmt.Errorf("disk utilization on %s is %d%%, the limit is %d%%", folder, percent, diskCritical)
	case percent >= diskWarning:
		return detail, warn("disk utilization on %s is %d%%, the warning is at %d%%", folder, percent, diskWarning)
	}
	return detail, nil
}
