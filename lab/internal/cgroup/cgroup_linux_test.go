package cgroup

import "testing"

func TestParseMount(t *testing.T) {
	known := []string{"name=systemd", "cpu,cpuacct", "memory", ""}
	for line, want := range map[string]Hierarchy{
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory": {
			Mount: "/sys/fs/cgroup/memory", Controllers: "memory",
		},
		"33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpuacct,cpu": {
			Mount: "/sys/fs/cgroup/cpu,cpuacct", Controllers: "cpu,cpuacct",
		},
		"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd": {
			Mount: "/sys/fs/cgroup/systemd", Controllers: "name=systemd",
		},
		"41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate": {Mount: "/sys/fs/cgroup", Unified: true},
	} {
		if got, ok := parseMount(line, known); !ok || got != want {
			t.Errorf("%s:\n%+v, %v, want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{
		"", "bad", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw", "35 31 0:32 / /sys/fs/cgroup/x rw - cgroup cgroup rw,unknown",
	} {
		if got, ok := parseMount(line, known); ok {
			t.Errorf("%q is read as %+v", line, got)
		}
	}
}

// TestHierarchies checks that this host's cgroups are understood: a process
// is in exactly one cgroup of each hierarchy.
func TestHierarchies(t *testing.T) {
	hierarchies, err := Hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	if len(hierarchies) == 0 {
		t.Skip("no cgroups are mounted here")
	}
	directories, err := Of(hierarchies, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(directories) != len(hierarchies) {
		t.Errorf("init is in %d cgroups of %d hierarchies", len(directories), len(hierarchies))
	}
}
