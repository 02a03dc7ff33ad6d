package recipe

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
)

// packageSet is one entry of debian/sets.yaml.
type packageSet struct {
	Include []string `json:"include"`
	Omit    []string `json:"omit"`
	Base    []string `json:"base"`
}

// lockedPackage is one line of debian/packages.lock: an exact Debian package.
type lockedPackage struct {
	Set     string
	Archive string // "main" or "security"
	Name    string
	Version string
	Arch    string
	SHA256  string
	Size    int64  // bytes
	Path    string // below the archive
}

func (p lockedPackage) String() string {
	return strings.Join([]string{p.Set, p.Archive, p.Name, p.Version, p.Arch, p.SHA256, strconv.FormatInt(p.Size, 10), p.Path}, " ")
}

// fetchPrefix begins the names of packages that are still being fetched.
const fetchPrefix = ".fetch-"

// ErrPackageGone says that the archive no longer has a locked package, as
// happens when a newer version replaces it.
var ErrPackageGone = errors.New("the archive has it no longer")

func (b *builder) packageSets() (map[string]packageSet, error) {
	return readPackageSets(b.source)
}

func readPackageSets(source string) (map[string]packageSet, error) {
	content, err := os.ReadFile(filepath.Join(source, "debian", "sets.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the package sets: %w", err)
	}
	var sets map[string]packageSet
	if err := yaml.UnmarshalStrict(content, &sets); err != nil {
		return nil, fmt.Errorf("debian/sets.yaml: %w", err)
	}
	return sets, nil
}

// lockedSet reads the lines of one set from the lock.
func (b *builder) lockedSet(set string) ([]lockedPackage, error) {
	path := filepath.Join(b.source, "debian", "packages.lock")
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the package lock: %w", err)
	}
	defer func() { _ = file.Close() }()
	all, err := parseLock(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var packages []lockedPackage
	for _, p := range all {
		if p.Set == set {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("%s has no packages of set %q", path, set)
	}
	return packages, nil
}

func parseLock(r io.Reader) ([]lockedPackage, error) {
	var packages []lockedPackage
	scanner := bufio.NewScanner(r)
	for line := 1; scanner.Scan(); line++ {
		text := scanner.Text()
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fields := strings.Fields(text)
		if len(fields) != 8 {
			return nil, fmt.Errorf("line %d has %d fields, want 8", line, len(fields))
		}
		size, err := strconv.ParseInt(fields[6], 10, 64)
		if err != nil || size <= 0 {
			return nil, fmt.Errorf("line %d: %q is not a size", line, fields[6])
		}
		if sum, err := hex.DecodeString(fields[5]); err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("line %d: %q is not a SHA-256", line, fields[5])
		}
		if !filepath.IsLocal(fields[7]) {
			return nil, fmt.Errorf("line %d: path %q leaves the archive", line, fields[7])
		}
		packages = append(packages, lockedPackage{
			Set: fields[0], Archive: fields[1], Name: fields[2], Version: fields[3], Arch: fields[4],
			SHA256: fields[5], Size: size, Path: fields[7],
		})
	}
	return packages, scanner.Err()
}

// fetchPackages brings the packages into the cache and returns their files, in
// the order given.
func (b *builder) fetchPackages(ctx context.Context, packages []lockedPackage) ([]string, error) {
	folder := filepath.Join(b.cache, "packages")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	// Asked once, and only when something is missing: apt takes its time.
	findMirrors := sync.OnceValues(func() (debian.Mirrors, error) { return debian.FindMirrors(ctx) })
	files := make([]string, len(packages))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(6)
	for i, p := range packages {
		files[i] = filepath.Join(folder, p.SHA256+".deb")
		if _, err := os.Stat(files[i]); err == nil {
			continue
		}
		group.Go(func() error {
			mirrors, err := findMirrors()
			if err != nil {
				return err
			}
			if err := fetchWithRetries(groupCtx, mirrors, p, files[i]); err != nil {
				return fmt.Errorf("fetch package %s %s: %w", p.Name, p.Version, err)
			}
			return nil
		})
	}
	return files, group.Wait()
}

func fetchWithRetries(ctx context.Context, mirrors debian.Mirrors, p lockedPackage, file string) error {
	const attempts = 4
	var err error
	for attempt := range attempts {
		if attempt > 0 {
			select {
			case <-time.After(time.Duration(1<<attempt) * time.Second):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		err = fetchFromAny(ctx, mirrors, p, file)
		if err == nil || errors.Is(err, ErrPackageGone) {
			return err
		}
	}
	return err
}

// fetchFromAny tries the archive that the lock names, then the other: updates
// wander from the security archive to the main one.
func fetchFromAny(ctx context.Context, mirrors debian.Mirrors, p lockedPackage, file string) error {
	order := []string{mirrors.Main, mirrors.Security}
	if p.Archive == "security" {
		order = []string{mirrors.Security, mirrors.Main}
	}
	var err error
	for _, mirror := range order {
		if mirror == "" {
			continue
		}
		if err = fetch(ctx, mirror+"/"+p.Path, p, file); err == nil || !errors.Is(err, ErrPackageGone) {
			return err
		}
	}
	return cli.WithHint(err, "run 'make runtimes-lock' and commit runtime/debian/packages.lock; digests of runtimes change with it")
}

func fetch(ctx context.Context, address string, p lockedPackage, file string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return ErrPackageGone
	default:
		return fmt.Errorf("the mirror answers %s", response.Status)
	}
	return saveVerified(io.LimitReader(response.Body, p.Size+1), p, file)
}

func saveVerified(r io.Reader, p lockedPackage, file string) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), fetchPrefix+"*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone after the rename
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(temporary, sum), r)
	if err == nil {
		err = temporary.Chmod(0o644)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); size != p.Size || got != p.SHA256 {
		return fmt.Errorf("got %d bytes with SHA-256 %s, the lock says %d bytes with %s", size, got, p.Size, p.SHA256)
	}
	return os.Rename(temporary.Name(), file)
}

// install installs exactly the given packages and returns a tar of the root
// file system, which stays in the cache as a step of its own.
func (b *builder) install(ctx context.Context, name string, packages []lockedPackage) (string, error) {
	epoch := strconv.FormatInt(b.catalogue.SourceDate.Unix(), 10)
	folder, err := b.steps.do(ctx, "install packages: "+name, keyOf(packages, epoch, codeOf("packages.go")), work{packLane, nil, func(ctx context.Context, folder string) error {
		files, err := b.fetchPackages(ctx, packages)
		if err != nil {
			return err
		}
		repository := filepath.Join(folder, "repository")
		if err := writeRepository(ctx, repository, packages, files); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(repository) }()
		names := make([]string, 0, len(packages))
		for _, p := range packages {
			names = append(names, p.Name+"="+p.Version)
		}
		return debootstrap(ctx, folder, []string{
			"--variant=essential", "--format=tar", "--skip=check/empty",
			"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
			"--aptopt=APT::Sandbox::User \"root\"", "--aptopt=APT::Install-Recommends \"false\"",
			"--include=" + strings.Join(names, ","),
			debian.Suite, filepath.Join(folder, "root.tar"), "deb [trusted=yes] copy:" + repository + " ./",
		}, nil, "SOURCE_DATE_EPOCH="+epoch)
	}})
	return filepath.Join(folder, "root.tar"), err
}

// debootstrap runs mmdebstrap with its temporary files in the given folder.
// Killed anywhere, it leaves no process and no mount, since both are in
// namespaces of its own. Somebody who is not root needs a range of subordinate
// user IDs (/etc/subuid) and the package uidmap.
func debootstrap(ctx context.Context, temporary string, args []string, stdin io.Reader, env ...string) error {
	args = append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "mmdebstrap", "--mode=root"}, args...)
	command := exec.CommandContext(ctx, "unshare", append(asRoot(), args...)...)
	command.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "TMPDIR="+temporary)
	command.Env = append(command.Env, env...)
	command.Stdin = stdin
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("mmdebstrap: %w%s", err, lastLines(string(output)))
	}
	return nil
}

// asRoot are the options by which unshare makes somebody root over the own
// files and the subordinate users.
func asRoot() []string {
	if os.Geteuid() == 0 {
		return nil
	}
	return []string{"--map-root-user", "--map-auto"}
}

// writeRepository makes a local archive that has the locked packages and
// nothing else, so that apt can choose no other.
func writeRepository(ctx context.Context, folder string, packages []lockedPackage, files []string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var index strings.Builder
	for i, p := range packages {
		control, err := exec.CommandContext(ctx, "dpkg-deb", "--field", files[i]).Output()
		if err != nil {
			return fmt.Errorf("read %s: %w", p.Path, commandError(err))
		}
		name := p.SHA256 + ".deb"
		if err := os.Link(files[i], filepath.Join(folder, name)); err != nil {
			return err
		}
		fmt.Fprintf(&index, "%s\nFilename: ./%s\nSize: %d\nSHA256: %s\n\n",
			strings.TrimSpace(string(control)), name, p.Size, p.SHA256)
	}
	packagesFile := []byte(index.String())
	if err := os.WriteFile(filepath.Join(folder, "Packages"), packagesFile, 0o644); err != nil {
		return err
	}
	// mmdebstrap takes the essential packages only from an archive that calls
	// itself by the suite's name.
	release := fmt.Sprintf("Suite: %s\nCodename: %s\nSHA256:\n %x %d Packages\n",
		debian.Suite, debian.Suite, sha256.Sum256(packagesFile), len(packagesFile))
	return os.WriteFile(filepath.Join(folder, "Release"), []byte(release), 0o644)
}
