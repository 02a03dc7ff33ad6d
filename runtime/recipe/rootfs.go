package recipe

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
)

// The root file system of the master container is installed once and cut into
// two layers: "base", which every image stands on, and "system", the rest.

// leftOut are paths of the installed system that no artifact has: made anew by
// the running system, or read by people on a workstation.
var leftOut = []string{
	"dev/", "proc/", "sys/", "run/", "tmp/",
	"etc/apt/", "etc/machine-id", "etc/hostname", "etc/resolv.conf", "etc/hosts", "etc/mtab", "etc/ssh/",
	"usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/lintian/", "usr/share/bug/",
	"usr/share/zoneinfo/", "usr/share/bash-completion/", "usr/share/zsh/", "usr/share/debconf/", "usr/share/perl5/",
	"usr/lib/x86_64-linux-gnu/gconv/", "usr/lib/x86_64-linux-gnu/perl-base/",
	"usr/lib/udev/hwdb.d/", "usr/lib/systemd/catalog/",
	"var/cache/", "var/log/", "var/lib/apt/", "var/lib/dpkg/info/", "var/lib/dpkg/triggers/", "var/lib/dpkg/alternatives/",
	"var/lib/dpkg/status-old", "var/lib/dpkg/lock", "var/lib/dpkg/diversions-old", "var/lib/systemd/catalog/", "var/lib/systemd/random-seed",
	"var/lib/pam/", "var/backups/",
}

// basePaths are files that no package owns, in the layer "base": the links of
// the merged /usr and of the chosen alternatives, and the users.
var basePaths = []string{
	"bin", "sbin", "lib", "lib32", "lib64", "libx32",
	"etc/alternatives/arptables", "etc/alternatives/ebtables", "etc/alternatives/iptables", "etc/alternatives/ip6tables",
	"usr/sbin/arptables", "usr/sbin/ebtables", "usr/sbin/iptables", "usr/sbin/ip6tables",
	"etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/ld.so.cache", "etc/ssl/certs/ca-certificates.crt",
}

// dpkgStatus lists the packages that are installed; scanners read it.
const dpkgStatus = "var/lib/dpkg/status"

// rootCut says in which layer each file goes.
type rootCut struct {
	base    map[string]bool // files of the packages of the base
	omitted map[string]bool // files of packages that were only needed to install
	omit    map[string]bool // names of those packages
	date    time.Time
}

// rootLayers returns the layers "base" and "system".
func (b *builder) rootLayers(ctx context.Context) (base, system layer, err error) {
	sets, err := b.packageSets()
	if err != nil {
		return layer{}, layer{}, err
	}
	packages, err := b.lockedSet("master")
	if err != nil {
		return layer{}, layer{}, err
	}
	archive, err := b.install(ctx, "master", packages)
	if err != nil {
		return layer{}, layer{}, err
	}
	// Only done when a layer is not in the cache, and once for both.
	cutOnce := sync.OnceValues(func() (*rootCut, error) { return b.cutRoot(archive, sets["master"]) })
	write := func(wantBase bool) func(io.Writer) error {
		return func(w io.Writer) error {
			cut, err := cutOnce()
			if err != nil {
				return err
			}
			return cut.write(w, archive, wantBase)
		}
	}
	key := []any{packages, sets["master"], codeOf("rootfs.go", "packages.go")}
	const components = "debian=" + debian.Suite
	if base, err = b.makeLayer(ctx, "base", components, key, write(true)); err != nil {
		return layer{}, layer{}, err
	}
	system, err = b.makeLayer(ctx, "system", components, key, write(false))
	return base, system, err
}

// cutRoot reads which package owns which file.
func (b *builder) cutRoot(archive string, set packageSet) (*rootCut, error) {
	cut := &rootCut{base: set2map(basePaths), omitted: map[string]bool{}, omit: set2map(set.Omit), date: b.catalogue.SourceDate}
	inBase := set2map(set.Base)
	seen := make(map[string]bool)
	err := eachFile(archive, func(file rootFile, contents io.Reader) error {
		if path.Dir(file.name) != "var/lib/dpkg/info" || path.Ext(file.name) != ".list" {
			return nil
		}
		owner, _, _ := strings.Cut(strings.TrimSuffix(path.Base(file.name), ".list"), ":")
		seen[owner] = true
		var target map[string]bool
		switch {
		case inBase[owner]:
			target = cut.base
		case cut.omit[owner]:
			target = cut.omitted
		default:
			return nil
		}
		lines := bufio.NewScanner(contents)
		for lines.Scan() {
			target[mergedPath(lines.Text())] = true
		}
		return lines.Err()
	})
	if err != nil {
		return nil, err
	}
	for owner := range inBase {
		if !seen[owner] {
			return nil, fmt.Errorf("debian/sets.yaml: package %s of the base is not installed", owner)
		}
	}
	return cut, nil
}

func set2map(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// mergedPath is where a file of a package is once /bin, /sbin and /lib are
// links into /usr.
func mergedPath(listed string) string {
	name := strings.TrimPrefix(path.Clean(listed), "/")
	for _, top := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		if strings.HasPrefix(name, top+"/") {
			return "usr/" + name
		}
	}
	return name
}

// write writes one of the two layers. Directories go where they are needed;
// hard links stay beside their target, which has the same owner.
func (c *rootCut) write(w io.Writer, archive string, wantBase bool) error {
	out := tar.NewWriter(w)
	err := eachFile(archive, func(file rootFile, contents io.Reader) error {
		if c.leaves(file) || c.inBase(file) != wantBase {
			return nil
		}
		header := *file.header
		header.Name = file.name
		if header.Typeflag == tar.TypeDir {
			header.Name += "/"
		}
		header.ModTime, header.AccessTime, header.ChangeTime = c.date, time.Time{}, time.Time{}
		header.Uname, header.Gname = "", ""
		header.Format = tar.FormatPAX
		if file.name == dpkgStatus {
			return c.writeStatus(out, header, contents)
		}
		if header.Typeflag == tar.TypeLink {
			header.Linkname = strings.TrimPrefix(path.Clean("/"+header.Linkname), "/")
		}
		if err := out.WriteHeader(&header); err != nil {
			return err
		}
		_, err := io.Copy(out, contents)
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}

func (c *rootCut) inBase(file rootFile) bool {
	return c.base[file.name] && (file.header.Typeflag != tar.TypeDir || isBaseFolder(file.name))
}

// isBaseFolder keeps the folders of the base few: those of other layers come
// with them.
func isBaseFolder(name string) bool {
	return name == "etc" || name == "usr" || name == "tmp" || strings.HasPrefix(name, "usr/lib") || strings.HasPrefix(name, "usr/sbin") || strings.HasPrefix(name, "usr/bin")
}

func (c *rootCut) leaves(file rootFile) bool {
	if file.name == "" || (c.omitted[file.name] && file.header.Typeflag != tar.TypeDir && !c.base[file.name]) {
		return true
	}
	switch file.header.Typeflag {
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return true
	}
	for _, prefix := range leftOut {
		if file.name == prefix || (strings.HasSuffix(prefix, "/") && strings.HasPrefix(file.name, prefix)) {
			return true
		}
	}
	return false
}

// writeStatus drops the records of packages whose files are not in the
// artifact.
func (c *rootCut) writeStatus(out *tar.Writer, header tar.Header, contents io.Reader) error {
	const most = 16 << 20 // far above what hundreds of packages have
	all, err := io.ReadAll(io.LimitReader(contents, most+1))
	if err != nil {
		return err
	}
	if len(all) > most {
		return fmt.Errorf("%s has more than %d bytes", dpkgStatus, most)
	}
	var kept strings.Builder
	for record := range strings.SplitSeq(string(all), "\n\n") {
		first, _, _ := strings.Cut(record, "\n")
		name := strings.TrimPrefix(first, "Package: ")
		if strings.TrimSpace(record) == "" || c.omit[name] {
			continue
		}
		kept.WriteString(strings.TrimRight(record, "\n") + "\n\n")
	}
	header.Size = int64(kept.Len())
	if err := out.WriteHeader(&header); err != nil {
		return err
	}
	_, err = io.WriteString(out, kept.String())
	return err
}
