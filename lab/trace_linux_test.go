package lab_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// trace is what a lab consists of while it runs, to look for afterwards. It
// does not compare the host before and after, as others use it, too.
type trace struct {
	status     lab.Status
	processes  map[string]bool // pid and start time
	namespaces map[string]bool
}

// traceOf remembers a running lab.
func traceOf(t *testing.T, l *lab.Lab) trace {
	t.Helper()
	status, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return traceOfStatus(t, status)
}

func traceOfStatus(t *testing.T, status lab.Status) trace {
	t.Helper()
	result := trace{status: status, processes: map[string]bool{}, namespaces: map[string]bool{}}
	own := namespacesOf(os.Getpid())
	for _, pid := range descendants(status.SupervisorPID) {
		result.processes[processID(pid)] = true
		for namespace := range namespacesOf(pid) {
			if !own[namespace] {
				result.namespaces[namespace] = true
			}
		}
	}
	// The supervisor, and per machine nspawn, systemd, journald and sshd; mount
	// and PID namespace of the supervisor, and five more per machine.
	machines := len(status.Machines)
	if len(result.processes) < 1+4*machines || len(result.namespaces) < 2+5*machines {
		t.Fatalf("found only %d processes and %d namespaces of %d machines", len(result.processes), len(result.namespaces), machines)
	}
	return result
}

// gone fails if anything is left but state directory and cgroups.
func (tr trace) gone(t *testing.T) {
	t.Helper()
	var left []string
	ctx, cancel := contextWithTimeout(t, 15*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if left = tr.left(); len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left:\n%s", strings.Join(left, "\n"))
}

// goneCompletely fails if anything is left.
func (tr trace) goneCompletely(t *testing.T) {
	t.Helper()
	tr.gone(t)
	for _, what := range tr.remains() {
		t.Errorf("left: %s", what)
	}
}

func (tr trace) left() []string {
	var left []string
	add := func(format string, args ...any) { left = append(left, fmt.Sprintf(format, args...)) }
	for _, pid := range pids() {
		if tr.processes[processID(pid)] {
			add("process %d %s", pid, commandLine(pid))
		}
		for namespace := range namespacesOf(pid) {
			if tr.namespaces[namespace] {
				add("namespace %s of process %d %s", namespace, pid, commandLine(pid))
			}
		}
	}
	for line := range linesOf("/proc/self/mountinfo") {
		if strings.Contains(line, tr.status.StateDir) || strings.Contains(line, "nsfs") && tr.mentionsNamespace(line) {
			add("mount %s", line)
		}
	}
	links, _ := net.Interfaces()
	for _, link := range links {
		addresses, _ := link.Addrs()
		for _, address := range addresses {
			if strings.HasPrefix(address.String(), tr.status.HostAddress.String()+"/") {
				add("network interface %s", link.Name)
			}
		}
	}
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, file := range backing {
		if content, err := os.ReadFile(file); err == nil && bytes.Contains(content, []byte(tr.status.StateDir)) {
			add("loop device %s %s", file, content)
		}
	}
	for line := range linesOf("/proc/net/unix") {
		if strings.Contains(line, "gravity-lab/name/"+tr.status.Name) || strings.Contains(line, "gravity-lab/subnet/"+tr.status.Subnet.String()) {
			add("socket %s", line)
		}
	}
	return left
}

// remains are what a killed supervisor cannot remove.
func (tr trace) remains() []string {
	var remains []string
	if _, err := os.Stat(tr.status.StateDir); err == nil {
		remains = append(remains, tr.status.StateDir)
	}
	for _, pattern := range []string{"/sys/fs/cgroup/gravity-lab-%s", "/sys/fs/cgroup/*/gravity-lab-%s"} {
		directories, _ := filepath.Glob(fmt.Sprintf(pattern, tr.status.Name))
		remains = append(remains, directories...)
	}
	return remains
}

func (tr trace) mentionsNamespace(line string) bool {
	for namespace := range tr.namespaces {
		if strings.Contains(line, namespace) {
			return true
		}
	}
	return false
}

func pids() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// statOf returns the fields of /proc/PID/stat from the process's state on.
func statOf(pid int) []string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
}

// processID is the id of a process with its start time; empty for one that is
// dead and waits for its parent.
func processID(pid int) string {
	fields := statOf(pid)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fmt.Sprintf("%d@%s", pid, fields[19])
}

func descendants(root int) []int {
	children := map[int][]int{}
	for _, pid := range pids() {
		if fields := statOf(pid); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

func namespacesOf(pid int) map[string]bool {
	namespaces := map[string]bool{}
	for _, name := range []string{"mnt", "pid", "net", "uts", "ipc", "cgroup"} {
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, name)); err == nil {
			namespaces[link] = true
		}
	}
	return namespaces
}

func commandLine(pid int) string {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(content, []byte{0}, []byte{' '}))
}

// processesOf lists the processes whose command line contains a text.
func processesOf(text string) string {
	var found []string
	for _, pid := range pids() {
		if line := commandLine(pid); strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "; ")
}

func linesOf(path string) func(func(string) bool) {
	content, _ := os.ReadFile(path)
	return strings.Lines(string(content))
}
