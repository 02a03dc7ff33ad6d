package preflight

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/prometheus/procfs"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Machine is what is known of the machine that is checked: its files, and what
// no file tells. The functions may be called several times and at once.
type Machine struct {
	// Root is the folder that its files are below: "/", or a tree in a test.
	Root string
	// UID is who runs the checks.
	UID int
	// Hostname is the machine's name.
	Hostname string
	// Kernel is the release of the kernel, such as "6.1.0-30-amd64".
	Kernel string
	// Architecture is Go's name of the machine's architecture.
	Architecture string
	// Links lists the network interfaces with their addresses.
	Links func() ([]Link, error)
	// Routes lists the networks that there are routes to.
	Routes func() ([]Route, error)
	// Statfs tells about the file system of a path, which exists.
	Statfs func(path string) (Statfs, error)
	// ClockSynchronised tells whether something keeps the clock right.
	ClockSynchronised func() (bool, error)
	// Lookup resolves a host name, as programs of the machine do.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Output runs a program of the machine and returns its standard output. The
	// error is exec.ErrNotFound if there is no such program.
	Output func(ctx context.Context, name string, args ...string) (string, error)
}

// Link is a network interface.
type Link struct {
	Name     string
	Loopback bool
	// Addresses have the lengths of their networks.
	Addresses []netip.Prefix
}

// Route is a route of the main table.
type Route struct {
	// To is the network; the zero address with no bits is the default route.
	To   netip.Prefix
	Link string
	// Source is the address that packets get; it may be invalid.
	Source netip.Addr
}

// Default tells whether the route is for all that no other is for.
func (r Route) Default() bool { return r.To.Bits() == 0 }

// Statfs is the state of a file system. Sizes are bytes.
type Statfs struct {
	Size, Available uint64
	// Inodes is zero on file systems that have no fixed number of them.
	Inodes, FreeInodes uint64
}

// Local returns the machine that this program runs on.
func Local() (*Machine, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("host name: %w", err)
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, fmt.Errorf("uname: %w", err)
	}
	machine := unix.ByteSliceToString(name.Machine[:])
	if known, ok := architectures[machine]; ok {
		machine = known
	}
	return &Machine{
		Root:              "/",
		UID:               os.Geteuid(),
		Hostname:          hostname,
		Kernel:            unix.ByteSliceToString(name.Release[:]),
		Architecture:      machine,
		Links:             localLinks,
		Routes:            localRoutes,
		Statfs:            localStatfs,
		ClockSynchronised: localClock,
		Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		Output: localOutput,
	}, nil
}

// architectures are Go's names for what uname -m says.
var architectures = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}

// path is where a file of the machine is for this program.
func (m *Machine) path(name string) string { return filepath.Join(m.Root, name) }

// proc is the machine's /proc.
func (m *Machine) proc() (procfs.FS, error) { return procfs.NewFS(m.path("/proc")) }

// existing is the nearest of a path and the folders above it that exists, as a
// path of the machine with links followed.
func (m *Machine) existing(path string) (string, error) {
	for {
		resolved, err := filepath.EvalSymlinks(m.path(path))
		if err == nil {
			inside, err := filepath.Rel(m.Root, resolved)
			return filepath.Join("/", inside), err
		}
		if !os.IsNotExist(err) || path == "/" {
			return "", err
		}
		path = filepath.Dir(path)
	}
}

func localLinks() ([]Link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	links := make([]Link, 0, len(interfaces))
	for _, each := range interfaces {
		link := Link{Name: each.Name, Loopback: each.Flags&net.FlagLoopback != 0}
		addresses, err := each.Addrs()
		if err != nil {
			continue // it vanished since it was listed
		}
		for _, address := range addresses {
			if prefix, err := netip.ParsePrefix(address.String()); err == nil {
				link.Addresses = append(link.Addresses, prefix)
			}
		}
		links = append(links, link)
	}
	return links, nil
}

func localRoutes() ([]Route, error) {
	found, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	names := map[int]string{}
	if interfaces, err := net.Interfaces(); err == nil {
		for _, each := range interfaces {
			names[each.Index] = each.Name
		}
	}
	var routes []Route
	for _, each := range found {
		route := Route{To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Link: names[each.LinkIndex]}
		if each.Dst != nil {
			ones, _ := each.Dst.Mask.Size()
			address, _ := netip.AddrFromSlice(each.Dst.IP)
			route.To = netip.PrefixFrom(address.Unmap(), ones)
		} else if each.Family == netlink.FAMILY_V6 {
			route.To = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if source, ok := netip.AddrFromSlice(each.Src); ok {
			route.Source = source.Unmap()
		}
		routes = append(routes, route)
	}
	return routes, nil
}

func localStatfs(path string) (Statfs, error) {
	var state unix.Statfs_t
	if err := unix.Statfs(path, &state); err != nil {
		return Statfs{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	block := uint64(state.Frsize) //nolint:gosec // never negative
	return Statfs{
		Size: state.Blocks * block, Available: state.Bavail * block,
		Inodes: state.Files, FreeInodes: state.Ffree,
	}, nil
}

func localClock() (bool, error) {
	state, err := unix.Adjtimex(&unix.Timex{})
	if err != nil {
		return false, fmt.Errorf("adjtimex: %w", err)
	}
	return state != unix.TIME_ERROR, nil
}

// localOutput runs a program that only tells something.
func localOutput(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), "LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	command.WaitDelay = time.Second
	output, err := command.Output()
	return string(output), err
}
