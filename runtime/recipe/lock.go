package recipe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
)

const lockHeader = `# The exact Debian packages that the recipe installs, written by
# 'make runtimes-lock'. Fields: set, archive, name, version, architecture,
# SHA-256, size in bytes, path below the archive.
`

// Lock resolves the package sets to what the host's mirrors have now and
// writes debian/packages.lock.
func Lock(ctx context.Context, source string, log io.Writer) error {
	sets, err := readPackageSets(source)
	if err != nil {
		return err
	}
	mirrors, err := debian.FindMirrors(ctx)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(sets))
	for name := range sets {
		names = append(names, name)
	}
	slices.Sort(names)
	var lines bytes.Buffer
	lines.WriteString(lockHeader)
	for _, name := range names {
		_, _ = fmt.Fprintf(log, "==> resolve package set %s\n", name)
		packages, err := resolve(ctx, mirrors, name, sets[name])
		if err != nil {
			return fmt.Errorf("package set %s: %w", name, err)
		}
		for _, p := range packages {
			_, _ = fmt.Fprintln(&lines, p)
		}
		_, _ = fmt.Fprintf(log, "    %s: %d packages\n", name, len(packages))
	}
	path := filepath.Join(source, "debian", "packages.lock")
	if err := renameio.WriteFile(path, lines.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// resolve lets apt choose the packages of a set, for an empty root.
func resolve(ctx context.Context, mirrors debian.Mirrors, name string, set packageSet) ([]lockedPackage, error) {
	folder, err := os.MkdirTemp("", "gravity-lock-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = removeTree(folder) }()
	listing := filepath.Join(folder, "listing")
	// Installed for real rather than simulated, because the essential packages
	// come on top of what apt is asked for. The hook runs apt outside the root
	// and prints the record of each package that was installed.
	const hook = `dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${Package}:${Architecture}=${Version}\n' |
sed 's/:all=/=/' | xargs apt-cache show | grep -E '^(Package|Version|Architecture|Filename|Size|SHA256):|^$' > `
	args := []string{
		"--variant=essential", "--format=null", "--skip=cleanup/apt",
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
		"--aptopt=APT::Install-Recommends \"false\"",
		"--include=" + strings.Join(set.Include, ","),
		"--customize-hook=" + hook + listing,
		debian.Suite, "-", "-", // nowhere, from the sources on standard input
	}
	sources := strings.NewReader(strings.Join(mirrors.SourceLines(), "\n") + "\n")
	if err := debootstrap(ctx, folder, args, sources); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(listing)
	if err != nil {
		return nil, err
	}
	return parseRecords(name, string(content))
}

// parseRecords reads apt's records, separated by empty lines.
func parseRecords(set, content string) ([]lockedPackage, error) {
	var packages []lockedPackage
	for record := range strings.SplitSeq(content, "\n\n") {
		fields := make(map[string]string)
		for line := range strings.SplitSeq(record, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				fields[name] = value
			}
		}
		if len(fields) == 0 {
			continue
		}
		size, err := strconv.ParseInt(fields["Size"], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("apt's record of %q has no size", fields["Package"])
		}
		archive := mainArchive
		if strings.HasPrefix(fields["Filename"], "pool/updates/") {
			archive = securityArchive
		}
		p := lockedPackage{
			Set: set, Archive: archive, Name: fields["Package"], Version: fields["Version"], Arch: fields["Architecture"],
			SHA256: fields["SHA256"], Size: size, Path: fields["Filename"],
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("apt's record of %q: %w", p.Name, err)
		}
		packages = append(packages, p)
	}
	// Stable, so that of two records of a package always the first is taken.
	slices.SortStableFunc(packages, func(a, b lockedPackage) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(packages, func(a, b lockedPackage) bool { return a.Name == b.Name }), nil
}
