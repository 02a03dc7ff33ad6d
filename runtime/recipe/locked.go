package recipe

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// The archives that packages come from.
const (
	mainArchive     = "main"
	securityArchive = "security"
)

// lockedPackage is one line of debian/packages.lock: an exact Debian package.
type lockedPackage struct {
	Set     string
	Archive string // mainArchive or securityArchive
	Name    string
	Version string
	Arch    string
	SHA256  string // lower-case hexadecimal
	Size    int64  // bytes
	Path    string // below the archive
}

func (p lockedPackage) String() string {
	return strings.Join([]string{p.Set, p.Archive, p.Name, p.Version, p.Arch, p.SHA256, strconv.FormatInt(p.Size, 10), p.Path}, " ")
}

// check tells whether the package can be fetched and verified, and its line
// read again.
func (p lockedPackage) check() error {
	for _, field := range []string{p.Set, p.Name, p.Version, p.Arch, p.Path} {
		if len(strings.Fields(field)) != 1 || strings.TrimSpace(field) != field || strings.ContainsRune(field, ',') {
			return fmt.Errorf("%q is not one word without commas", field)
		}
	}
	if p.Archive != mainArchive && p.Archive != securityArchive {
		return fmt.Errorf("%q is no archive, want %s or %s", p.Archive, mainArchive, securityArchive)
	}
	if sum, err := hex.DecodeString(p.SHA256); err != nil || len(sum) != sha256.Size || p.SHA256 != strings.ToLower(p.SHA256) {
		return fmt.Errorf("%q is not a SHA-256 in lower case", p.SHA256)
	}
	if p.Size <= 0 {
		return fmt.Errorf("%d is not a size", p.Size)
	}
	if !filepath.IsLocal(p.Path) {
		return fmt.Errorf("path %q leaves the archive", p.Path)
	}
	return nil
}

// lockedSet reads the lines of one set from the lock.
func (b *builder) lockedSet(set string) ([]lockedPackage, error) {
	path := filepath.Join(b.source, "debian", "packages.lock")
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = cli.WithHint(err, "run 'make runtimes-lock'")
		}
		return nil, fmt.Errorf("read the package lock: %w", err)
	}
	defer func() { _ = file.Close() }()
	all, err := parseLock(file)
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("%s: %w", path, err), "run 'make runtimes-lock', which writes it anew")
	}
	packages := slices.DeleteFunc(all, func(p lockedPackage) bool { return p.Set != set })
	if len(packages) == 0 {
		return nil, cli.WithHint(fmt.Errorf("%s has no packages of set %q", path, set), "run 'make runtimes-lock'")
	}
	return packages, nil
}

// parseLock reads packages.lock; an error names the line.
func parseLock(r io.Reader) ([]lockedPackage, error) {
	var packages []lockedPackage
	seen := make(map[string]bool)
	scanner := bufio.NewScanner(r)
	line := 1
	for ; scanner.Scan(); line++ {
		text := strings.TrimSpace(scanner.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		p, err := parseLockLine(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if seen[p.Set+" "+p.Name] {
			return nil, fmt.Errorf("line %d: package %s is in set %s already", line, p.Name, p.Set)
		}
		seen[p.Set+" "+p.Name] = true
		packages = append(packages, p)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return packages, nil
}

func parseLockLine(text string) (lockedPackage, error) {
	fields := strings.Fields(text)
	if len(fields) != 8 {
		return lockedPackage{}, fmt.Errorf("%d fields, want 8", len(fields))
	}
	size, err := strconv.ParseInt(fields[6], 10, 64)
	if err != nil {
		return lockedPackage{}, fmt.Errorf("%q is not a size", fields[6])
	}
	p := lockedPackage{
		Set: fields[0], Archive: fields[1], Name: fields[2], Version: fields[3], Arch: fields[4],
		SHA256: fields[5], Size: size, Path: fields[7],
	}
	return p, p.check()
}
