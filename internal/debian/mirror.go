// Package debian finds where the host gets Debian packages from, so that the
// root file systems of machines and runtimes are made from the same mirrors,
// and no mirror is named in this repository.
package debian

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Suite is the Debian release of all root file systems that are built. It is
// the newest whose systemd still boots on hosts with cgroup v1, which sites
// have for years to come.
const Suite = "bookworm"

// Environment variables that override what the host's apt is set up with; both
// hold a base URI without a suite.
const (
	MirrorVariable         = "GRAVITY_DEBIAN_MIRROR"
	SecurityMirrorVariable = "GRAVITY_DEBIAN_SECURITY_MIRROR"
)

// Mirrors are base URIs of Debian archives, without a trailing slash.
type Mirrors struct {
	// Main serves Suite and its updates.
	Main string
	// Security serves Suite-security; empty where the host has none.
	Security string
}

// ErrNoMirror says that the host's apt has no Debian archive with an index.
var ErrNoMirror = errors.New("no Debian mirror is set up on this host")

// FindMirrors returns the host's mirrors: those of the environment, else those
// of apt. It reads apt's lists and sends nothing; without lists (a machine on
// which `apt-get update` never ran) it returns ErrNoMirror.
func FindMirrors(ctx context.Context) (Mirrors, error) {
	mirrors := Mirrors{
		Main:     strings.TrimRight(os.Getenv(MirrorVariable), "/"),
		Security: strings.TrimRight(os.Getenv(SecurityMirrorVariable), "/"),
	}
	if mirrors.Main != "" {
		return mirrors, nil
	}
	command := exec.CommandContext(ctx, "apt-get", "indextargets",
		"--format", "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(ORIGIN)", "Created-By: Packages")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return Mirrors{}, fmt.Errorf("ask apt for its mirrors: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	mirrors = parseTargets(output)
	if mirrors.Main == "" {
		return Mirrors{}, cli.WithHint(ErrNoMirror,
			"run 'apt-get update', or set %s (and %s) to the base URI of an archive", MirrorVariable, SecurityMirrorVariable)
	}
	return mirrors, nil
}

// parseTargets reads lines of URI, release, component and origin. Foreign
// archives (vendors' own) have another origin and are passed over.
func parseTargets(output []byte) Mirrors {
	var mirrors Mirrors
	scanner := bufio.NewScanner(bytes.NewReader(output))
	for scanner.Scan() {
		fields := strings.Split(scanner.Text(), "\t")
		if len(fields) != 4 || fields[2] != "main" || fields[3] != "Debian" {
			continue
		}
		uri, release := strings.TrimRight(fields[0], "/"), fields[1]
		switch {
		case strings.HasSuffix(release, "-security"):
			if mirrors.Security == "" {
				mirrors.Security = uri
			}
		case mirrors.Main == "":
			mirrors.Main = uri
		}
	}
	return mirrors
}

// SourceLines are one-line apt sources for Suite, signed by the keyring of
// package debian-archive-keyring.
func (m Mirrors) SourceLines() []string {
	const options = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
	lines := []string{
		fmt.Sprintf("deb %s %s %s main", options, m.Main, Suite),
		fmt.Sprintf("deb %s %s %s-updates main", options, m.Main, Suite),
	}
	if m.Security != "" {
		lines = append(lines, fmt.Sprintf("deb %s %s %s-security main", options, m.Security, Suite))
	}
	return lines
}
