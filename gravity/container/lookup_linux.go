package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Why a program cannot be run in the container; test with errors.Is.
var (
	ErrNoProgram     = errors.New("no such program in the master container")
	ErrNotExecutable = errors.New("it cannot be executed")
)

// searchPath is where the container's programs are.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Find fails with ErrNoProgram or ErrNotExecutable if there is no such program in
// the running container. A name without a slash is looked for where programs are.
func (c *Container) Find(name string) error {
	process, err := c.process()
	if err != nil {
		return err
	}
	root, err := unix.Open("/proc/"+strconv.Itoa(process)+"/root", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the master container's files: %w", err)
	}
	defer unix.Close(root)
	return find(root, name)
}

// find looks for a program in a folder that is its root: links do not lead out.
func find(root int, name string) error {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for folder := range strings.SplitSeq(searchPath, ":") {
			candidates = append(candidates, path.Join(folder, name))
		}
	}
	problem := ErrNoProgram
	for _, candidate := range candidates {
		file, err := unix.Openat2(root, candidate, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
		switch {
		case errors.Is(err, unix.ENOSYS):
			return nil // an old kernel: whoever runs it will say it
		case errors.Is(err, unix.EACCES):
			problem = ErrNotExecutable
		}
		if err != nil {
			continue
		}
		var stat unix.Stat_t
		err = unix.Fstat(file, &stat)
		_ = unix.Close(file)
		if err == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG && stat.Mode&0o111 != 0 {
			return nil
		}
		problem = ErrNotExecutable
	}
	return fmt.Errorf("%s: %w", name, problem)
}

// process is the container's PID 1, as the host counts.
func (c *Container) process() (int, error) {
	command := exec.Command(c.paths.Tool("runc"), "--root", paths.RuncRoot, "state", Name)
	command.Stderr = nil
	output, err := command.Output()
	var state struct {
		Status string
		Pid    int
	}
	if err == nil {
		err = json.Unmarshal(output, &state)
	}
	if err != nil || state.Status != "running" || state.Pid == 0 {
		if _, missing := os.Stat(c.paths.Tool("runc")); missing != nil {
			return 0, errors.New("there is no master container")
		}
		return 0, errors.New("the master container does not run")
	}
	return state.Pid, nil
}
