package preflight

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

func (o *Options) checkRoot(context.Context) (finding, error) {
	return passed("user id %d", o.Machine.UID).want("user id 0").
		unless(o.Machine.UID == 0, "run this as root, such as with sudo"), nil
}

func (o *Options) checkArchitecture(context.Context) (finding, error) {
	got := o.Machine.Architecture
	return passed("%s", got).want("%s", o.Architecture).
		unless(got == o.Architecture, "use the bundle for %s, or a machine with %s", got, o.Architecture), nil
}

func (o *Options) checkOperatingSystem(context.Context) (finding, error) {
	content, err := o.Machine.lookFor("/etc/os-release")
	if err == nil && content == "" {
		content, err = o.Machine.read("/usr/lib/os-release")
	}
	if err != nil {
		return finding{}, err
	}
	values := assignments(content)
	name, version := values["ID"], values["VERSION_ID"]
	found := passed("%s", strings.TrimSpace(name+" "+version))
	if len(o.Profile.Requirements.OS) == 0 {
		return found, nil
	}
	var allowed []string
	matches := false
	for _, system := range o.Profile.Requirements.OS {
		matches = matches || runsOn(system, name, version)
		allowed = append(allowed, strings.TrimSpace(system.Name+" "+strings.Join(system.Versions, ", ")))
	}
	wanted := strings.Join(allowed, " or ")
	return found.want("%s", wanted).
		unless(matches, "use a machine with %s", wanted), nil
}

// runsOn tells whether a system is one that a profile allows. A version stands
// for those that go on after a dot: 7 is 7 and 7.9, and not 70.
func runsOn(system manifest.OS, name, version string) bool {
	return strings.EqualFold(system.Name, name) && (len(system.Versions) == 0 ||
		slices.ContainsFunc(system.Versions, func(prefix string) bool {
			rest, found := strings.CutPrefix(version, prefix)
			return found && (rest == "" || rest[0] == '.' || strings.HasSuffix(prefix, "."))
		}))
}

func (o *Options) checkSystemd(context.Context) (finding, error) {
	name, err := o.Machine.word("/proc/1/comm")
	if err != nil {
		return finding{}, err
	}
	return passed("process 1 is %s", name).want("systemd").
		unless(name == "systemd", "use a machine that systemd boots; the cluster is a unit of it"), nil
}

// minSystemd is the first systemd that delegates all controllers of cgroup v2,
// cpuset included.
const minSystemd = 244

var systemdVersion = regexp.MustCompile(`^systemd ([0-9]{1,9})`)

func (o *Options) checkSystemdVersion(ctx context.Context) (finding, error) {
	output, err := o.Machine.Output(ctx, "systemctl", "--version")
	if err != nil {
		return finding{}, fmt.Errorf("systemctl --version: %w", err)
	}
	parts := systemdVersion.FindStringSubmatch(output)
	if parts == nil {
		return finding{}, fmt.Errorf("systemctl --version prints no version")
	}
	version, err := strconv.Atoi(parts[1])
	if err != nil {
		return finding{}, err
	}
	return passed("systemd %d", version).want("at least %d", minSystemd).
		unless(version >= minSystemd, "update the operating system"), nil
}

// Host names are names of nodes, which are DNS names (RFC 1123).
var hostnamePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

func (o *Options) checkHostname(context.Context) (finding, error) {
	name := strings.ToLower(o.Machine.Hostname) // the kubelet does so, too
	first, _, _ := strings.Cut(name, ".")
	ok := hostnamePattern.MatchString(name) && len(name) <= 253 && first != "localhost"
	return passed("%s", o.Machine.Hostname).want("a DNS name other than localhost").
		unless(ok, "hostnamectl set-hostname NAME"), nil
}

func (o *Options) checkHostnameResolution(ctx context.Context) (finding, error) {
	name := o.Machine.Hostname
	remedy := fmt.Sprintf("echo '%s %s' >> /etc/hosts", o.addressOr("ADDRESS"), name)
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	start := time.Now()
	found, err := o.Machine.Lookup(ctx, name)
	if err != nil {
		return passed("%s does not resolve: nothing after %s", name, round(time.Since(start))).
			unless(false, "%s", remedy), nil
	}
	links, err := o.Machine.Links()
	if err != nil {
		return finding{}, err
	}
	var texts []string
	own := false
	for _, address := range found {
		texts = append(texts, address.Unmap().String())
		own = own || address.IsLoopback() || linkOf(links, address.Unmap()) != ""
	}
	return passed("%s is %s", name, strings.Join(texts, ", ")).want("an address of this machine").
		unless(own, "%s", remedy), nil
}

// lookupLimit is how long looking up the machine's own name may take.
const lookupLimit = 3 * time.Second

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// linkOf is the interface that has an address, or empty.
func linkOf(links []Link, address netip.Addr) string {
	for _, link := range links {
		for _, prefix := range link.Addresses {
			if prefix.Addr().Unmap() == address {
				return link.Name
			}
		}
	}
	return ""
}

func (o *Options) checkClock(context.Context) (finding, error) {
	synchronised, err := o.Machine.ClockSynchronised()
	if err != nil {
		return finding{}, err
	}
	if !synchronised {
		return passed("nothing keeps the clock right").want("synchronised").
			unless(false, "install and start chrony or systemd-timesyncd, with a server of this site"), nil
	}
	return passed("synchronised").want("synchronised"), nil
}
