package preflight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The oldest kernel is that of kube-proxy's nftables mode, which does not start
// with an older one (NFTablesKubeProxyKernelVersion of Kubernetes). What
// kubeadm asks for is older.
const (
	minKernelMajor = 5
	minKernelMinor = 13
)

var kernelPattern = regexp.MustCompile(`^([0-9]{1,5})\.([0-9]{1,5})`)

func (o *Options) checkKernelVersion(context.Context) (finding, error) {
	major, minor, err := kernelVersion(o.Machine.Kernel)
	if err != nil {
		return finding{}, err
	}
	ok := major > minKernelMajor || major == minKernelMajor && minor >= minKernelMinor
	return passed("%s", o.Machine.Kernel).want("at least %d.%d", minKernelMajor, minKernelMinor).
		unless(ok, "install a newer kernel, or a newer operating system"), nil
}

func kernelVersion(release string) (major, minor int, err error) {
	parts := kernelPattern.FindStringSubmatch(release)
	if parts == nil {
		return 0, 0, fmt.Errorf("kernel release %q has no version", release)
	}
	major, _ = strconv.Atoi(parts[1]) // five digits are a number
	minor, _ = strconv.Atoi(parts[2])
	return major, minor, nil
}

// The settings of the kernel are the runtime's own to make: it applies them
// whenever it starts. What a check can find is that a file of the machine says
// otherwise, which counts again whenever somebody runs sysctl --system.

func (o *Options) checkForwarding(context.Context) (finding, error) {
	return o.checkSetting("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding")
}

func (o *Options) checkBridgeFilter(context.Context) (finding, error) {
	return o.checkSetting("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")
}

// checkSetting looks for files that switch off what must be on.
func (o *Options) checkSetting(names ...string) (finding, error) {
	now, err := o.Machine.word("/proc/sys/" + strings.ReplaceAll(names[0], ".", "/"))
	if err != nil {
		return finding{}, err
	}
	if now == "" {
		now = "not there yet"
	}
	settings, err := o.Machine.sysctls()
	if err != nil {
		return finding{}, err
	}
	for _, name := range names {
		if set, ok := settings[name]; ok && set.value == "0" {
			return passed("%s sets %s = 0", set.file, name).want("1, which the cluster sets when it starts").
				unless(false, "remove it from %s, since sysctl --system would undo what the cluster sets", set.file), nil
		}
	}
	return passed("%s is %s, and no file switches it off", names[0], now), nil
}

// Kubelet, containerd and what pods run watch files: below these limits they
// fail with "too many open files".
const (
	minWatches   = 65536
	minInstances = 512
)

func (o *Options) checkInotify(context.Context) (finding, error) {
	settings, err := o.Machine.sysctls()
	if err != nil {
		return finding{}, err
	}
	var measured []string
	for _, limit := range []struct {
		name string
		min  int
	}{{"fs.inotify.max_user_watches", minWatches}, {"fs.inotify.max_user_instances", minInstances}} {
		now, err := o.Machine.word("/proc/sys/" + strings.ReplaceAll(limit.name, ".", "/"))
		if err != nil {
			return finding{}, err
		}
		measured = append(measured, limit.name+" "+now)
		set, ok := settings[limit.name]
		if value, err := strconv.Atoi(set.value); ok && err == nil && value < limit.min {
			return passed("%s sets %s = %d", set.file, limit.name, value).want("at least %d", limit.min).
				unless(false, "remove it from %s, since sysctl --system would undo what the cluster sets", set.file), nil
		}
	}
	return passed("%s; the cluster raises them when it starts", strings.Join(measured, ", ")), nil
}

// setting is a setting of the kernel, and the file that makes it.
type setting struct{ value, file string }

// sysctls reads what sysctl.d(5) sets at boot. Files of the same name hide each
// other, the last setting in the order of names counts, and sysctl.conf is last.
func (m *Machine) sysctls() (map[string]setting, error) {
	files := map[string]string{}
	for _, dir := range []string{"/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"} {
		entries, err := os.ReadDir(m.path(dir))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), ".conf") {
				files[entry.Name()] = filepath.Join(dir, entry.Name())
			}
		}
	}
	order := make([]string, 0, len(files)+1)
	for name := range files {
		order = append(order, name)
	}
	slices.Sort(order)
	settings := map[string]setting{}
	files["/"] = "/etc/sysctl.conf"
	for _, name := range append(order, "/") {
		content, err := m.lookFor(files[name])
		if err != nil {
			return nil, err
		}
		for key, value := range parseSysctl(content) {
			settings[key] = setting{value, files[name]}
		}
	}
	return settings, nil
}

// parseSysctl reads the lines of a file of settings. Slashes in names mean
// dots, unless a dot comes first, as sysctl has it.
func parseSysctl(content string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found {
			continue
		}
		name = strings.TrimSpace(strings.TrimPrefix(name, "-"))
		if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '/' {
			name = strings.NewReplacer("/", ".", ".", "/").Replace(name)
		}
		values[name] = strings.TrimSpace(value)
	}
	return values
}
