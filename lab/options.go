package lab

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/network"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/rootfs"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// Environment variables that the package reads.
const (
	// DirVariable is the directory that holds the state directories of labs;
	// /var/lib/gravity-lab if it is not set.
	DirVariable = "GRAVITY_LAB_DIR"
	// CacheVariable is the directory of Gravity's caches; the root file system
	// of machines is kept below it. $XDG_CACHE_HOME/gravity, else
	// ~/.cache/gravity if it is not set.
	CacheVariable = "GRAVITY_CACHE"
)

// DefaultDiskSize is the size of a machine's disk. Disks are sparse.
const DefaultDiskSize int64 = 20 << 30

const (
	defaultDir  = "/var/lib/gravity-lab"
	minDiskSize = 256 << 20
	// maxNameLength keeps cgroup names and host names within their limits.
	maxNameLength = 40
	// maxSocketPath is the length that the kernel allows for a socket's path.
	maxSocketPath = 107
)

// Options describe a lab. The zero value is not valid: Name and one of Count
// and Machines are required.
type Options struct {
	// Name tells labs apart. Labs of different names run side by side.
	Name string
	// Machines are the names of the machines.
	Machines []string
	// Count makes machines node-1, node-2 and so on; Machines must be empty.
	Count int
	// DiskSize is the size of each machine's disk in bytes; zero means
	// DefaultDiskSize.
	DiskSize int64
	// Packages are the Debian packages of the machines, next to those that
	// every machine needs; nil means DefaultPackages.
	Packages []string
	// Subnet is the network of the lab, an IPv4 /24. If it is not valid, a
	// free one is chosen.
	Subnet netip.Prefix
	// NoDefaultRoute leaves the machines without a default gateway.
	NoDefaultRoute bool
	// Dir is the directory of the labs' state directories; empty means
	// DirVariable.
	Dir string
	// CacheDir is the directory of the root file systems; empty means "lab"
	// below CacheVariable.
	CacheDir string
	// Log receives lines of progress; nil means that nobody wants them.
	Log io.Writer
}

// DefaultPackages are the Debian packages of machines: what a minimal server
// has and nothing of Kubernetes.
func DefaultPackages() []string { return slices.Clone(rootfs.DefaultPackages) }

// namePattern is what both a host name and a cgroup may be called.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func checkName(what, name string) error {
	if len(name) > maxNameLength || !namePattern.MatchString(name) {
		return cli.WithHint(cli.Usagef("%q is not a name for a %s", name, what),
			"use at most %d lower-case letters, digits and inner hyphens", maxNameLength)
	}
	return nil
}

// spec checks the options and fills in what they leave open.
func (o Options) spec() (*wire.Spec, error) {
	stateDir, err := stateDir(o.Dir, o.Name)
	if err != nil {
		return nil, err
	}
	machines, err := o.machineNames()
	if err != nil {
		return nil, err
	}
	spec := &wire.Spec{
		Name: o.Name, StateDir: stateDir, Machines: machines, DiskSize: o.DiskSize, Packages: o.Packages,
		Subnet: o.Subnet, NoDefaultRoute: o.NoDefaultRoute, CacheDir: o.CacheDir,
	}
	if spec.DiskSize == 0 {
		spec.DiskSize = DefaultDiskSize
	}
	if spec.DiskSize < minDiskSize {
		return nil, cli.WithHint(cli.Usagef("a disk of %d bytes is too small for a machine", spec.DiskSize),
			"the smallest has %d MiB", minDiskSize>>20)
	}
	if spec.Packages == nil {
		spec.Packages = DefaultPackages()
	}
	if spec.Subnet.IsValid() {
		if _, err := network.NewPlan(spec.Subnet); err != nil {
			return nil, cli.WithCode(err, cli.ExitUsage)
		}
	}
	if spec.CacheDir == "" {
		if spec.CacheDir, err = defaultCacheDir(); err != nil {
			return nil, err
		}
	}
	if spec.CacheDir, err = filepath.Abs(spec.CacheDir); err != nil {
		return nil, fmt.Errorf("find the cache directory: %w", err)
	}
	return spec, nil
}

func (o Options) machineNames() ([]string, error) {
	names := slices.Clone(o.Machines)
	if o.Count != 0 && len(names) > 0 {
		return nil, cli.Usagef("a lab has either names or a number of machines, not both")
	}
	for i := range o.Count {
		names = append(names, fmt.Sprintf("node-%d", i+1))
	}
	if len(names) == 0 || len(names) > network.MaxMachines {
		return nil, cli.Usagef("a lab has 1 to %d machines, not %d", network.MaxMachines, max(o.Count, len(names)))
	}
	for i, name := range names {
		if err := checkName("machine", name); err != nil {
			return nil, err
		}
		if slices.Contains(names[:i], name) {
			return nil, cli.Usagef("two machines are named %q", name)
		}
	}
	return names, nil
}

// stateDir is where a lab of the given name has its state.
func stateDir(dir, name string) (string, error) {
	if err := checkName("lab", name); err != nil {
		return "", err
	}
	dir, err := labsDir(dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if len(filepath.Join(path, socketName)) > maxSocketPath {
		return "", cli.WithHint(cli.Usagef("the path %s is too long for a unix socket in it", path), "set %s to a shorter one", DirVariable)
	}
	return path, nil
}

func labsDir(dir string) (string, error) {
	if dir == "" {
		dir = os.Getenv(DirVariable)
	}
	if dir == "" {
		dir = defaultDir
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the directory of labs: %w", err)
	}
	return dir, nil
}

func defaultCacheDir() (string, error) {
	if dir := os.Getenv(CacheVariable); dir != "" {
		return filepath.Join(dir, "lab"), nil
	}
	// os.UserCacheDir is $XDG_CACHE_HOME, else ~/.cache.
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", cli.WithHint(fmt.Errorf("find the cache directory: %w", err), "set %s", CacheVariable)
	}
	return filepath.Join(dir, "gravity", "lab"), nil
}
