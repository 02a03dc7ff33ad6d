package recipe

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
)

// packageSet is one entry of debian/sets.yaml.
type packageSet struct {
	Include []string `json:"include"`
	Omit    []string `json:"omit"`
	Base    []string `json:"base"`
}

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
	command.SysProcAttr = endWithParent()
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
