package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Prefix begins the name of every lab's cgroup.
const Prefix = "gravity-lab-"

// Hierarchy is one mounted cgroup tree of the host.
type Hierarchy struct {
	// Mount is where it is mounted.
	Mount string
	// Unified says that it is cgroup v2.
	Unified bool
	// Controllers are those of a v1 hierarchy, as in /proc/PID/cgroup; empty
	// for v2.
	Controllers string
}

// Hierarchies lists those mounted in the caller's mount namespace.
func Hierarchies() ([]Hierarchy, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list cgroup hierarchies: %w", err)
	}
	defer file.Close()
	controllers, err := mountedControllers()
	if err != nil {
		return nil, err
	}
	var hierarchies []Hierarchy
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		hierarchy, ok := parseMount(scanner.Text(), controllers)
		duplicate := slices.ContainsFunc(hierarchies, func(h Hierarchy) bool {
			return h.Unified == hierarchy.Unified && h.Controllers == hierarchy.Controllers
		})
		if ok && !duplicate {
			hierarchies = append(hierarchies, hierarchy)
		}
	}
	return hierarchies, scanner.Err()
}

// mountedControllers lists the second fields of /proc/self/cgroup.
func mountedControllers() ([]string, error) {
	content, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("list cgroup hierarchies: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(content)) {
		if fields := strings.SplitN(line, ":", 3); len(fields) == 3 {
			names = append(names, fields[1])
		}
	}
	return names, nil
}

// parseMount reads a line of mountinfo. Which of the options of a v1 mount are
// controllers is told by the known names.
func parseMount(line string, known []string) (Hierarchy, bool) {
	left, right, ok := strings.Cut(line, " - ")
	if !ok {
		return Hierarchy{}, false
	}
	mount, super := strings.Fields(left), strings.Fields(right)
	if len(mount) < 5 || len(super) < 3 {
		return Hierarchy{}, false
	}
	switch super[0] {
	case "cgroup2":
		return Hierarchy{Mount: mount[4], Unified: true}, true
	case "cgroup":
		options := strings.Split(super[2], ",")
		for _, name := range known {
			if name != "" && !slices.ContainsFunc(strings.Split(name, ","), func(c string) bool { return !slices.Contains(options, c) }) {
				return Hierarchy{Mount: mount[4], Controllers: name}, true
			}
		}
	}
	return Hierarchy{}, false
}

// Create makes the cgroup of a machine in every hierarchy and returns the
// directories. A process joins by writing itself to their cgroup.procs.
func Create(hierarchies []Hierarchy, lab, machine string) ([]string, error) {
	var directories []string
	for _, hierarchy := range hierarchies {
		parent := filepath.Join(hierarchy.Mount, Prefix+lab)
		directory := filepath.Join(parent, machine)
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return nil, fmt.Errorf("create cgroup %s: %w", directory, err)
		}
		var err error
		switch {
		case !hierarchy.Unified:
			err = errors.Join(fillCpuset(hierarchy.Mount, parent), fillCpuset(parent, directory))
		case len(hierarchies) == 1:
			err = errors.Join(handDown(hierarchy.Mount), handDown(parent))
		}
		if err != nil {
			return nil, fmt.Errorf("prepare cgroup %s: %w", directory, err)
		}
		directories = append(directories, directory)
	}
	return directories, nil
}

// fillCpuset gives a new cgroup of v1 the processors and memory nodes of its
// parent. Until then nothing can join it.
func fillCpuset(parent, directory string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it is another controller
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(directory, name), value, 0); err != nil {
			return err
		}
	}
	return nil
}

// handDown gives the children of a cgroup of v2 all controllers that it has;
// kubelet needs most of them. Those that the kernel refuses stay off. At the
// root of the host, where systemd has nearly all of them on, they stay on,
// since others may have begun to use them.
func handDown(directory string) error {
	content, err := os.ReadFile(filepath.Join(directory, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for controller := range strings.FieldsSeq(string(content)) {
		_ = os.WriteFile(filepath.Join(directory, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}
	return nil
}

// Join moves the calling process into cgroups.
func Join(directories []string) error {
	for _, directory := range directories {
		if err := os.WriteFile(filepath.Join(directory, "cgroup.procs"), []byte("0"), 0); err != nil {
			return fmt.Errorf("join cgroup: %w", err)
		}
	}
	return nil
}

// Of returns the directories of the cgroups that a process is in.
func Of(hierarchies []Hierarchy, pid int) (map[Hierarchy]string, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil, fmt.Errorf("find the cgroups of process %d: %w", pid, err)
	}
	directories := make(map[Hierarchy]string)
	for line := range strings.Lines(string(content)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for _, hierarchy := range hierarchies {
			if hierarchy.Controllers == fields[1] {
				directories[hierarchy] = filepath.Join(hierarchy.Mount, fields[2])
			}
		}
	}
	return directories, nil
}

// Labs names the labs that have cgroups, alive or not.
func Labs(hierarchies []Hierarchy) []string {
	var labs []string
	for _, hierarchy := range hierarchies {
		directories, _ := filepath.Glob(filepath.Join(hierarchy.Mount, Prefix+"*"))
		for _, directory := range directories {
			labs = append(labs, strings.TrimPrefix(filepath.Base(directory), Prefix))
		}
	}
	slices.Sort(labs)
	return slices.Compact(labs)
}

// Remove removes the cgroups of a machine, or with an empty machine of a lab,
// and kills what is still in them. It is no error if there are none.
func Remove(ctx context.Context, hierarchies []Hierarchy, lab, machine string) error {
	var errs []error
	for _, hierarchy := range hierarchies {
		errs = append(errs, removeTree(ctx, filepath.Join(hierarchy.Mount, Prefix+lab, machine)))
	}
	return errors.Join(errs...)
}

// removeTree tries until the context ends, since killed processes take a
// moment to leave.
func removeTree(ctx context.Context, directory string) error {
	for {
		err := removeOnce(directory)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove cgroup: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func removeOnce(directory string) error {
	var directories []string
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			directories = append(directories, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range slices.Backward(directories) {
		kill(path)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// kill ends the processes of a cgroup, but never its own process.
func kill(directory string) {
	content, err := os.ReadFile(filepath.Join(directory, "cgroup.procs"))
	if err != nil {
		return
	}
	for field := range strings.FieldsSeq(string(content)) {
		// Processes outside of the caller's PID namespace are shown as 0.
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
