// Package kernel keeps what the kernel of a host had set before Gravity, and
// puts it back.
//
// Kubernetes and the master container change settings that would stay when they
// have gone. Those are recorded that decide what the host does for others:
// whether it forwards packets, listens to redirects, ends when something is
// wrong. Limits that were raised stay: what has begun since may need them.
package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// names are the settings, as patterns of files below /proc/sys, in the order in
// which they are put back: the kernel changes those of each interface with those
// of all, and redirects with forwarding.
var names = []string{
	"net/ipv4/ip_forward",
	"net/ipv4/conf/all/forwarding", "net/ipv4/conf/*/forwarding",
	"net/ipv4/conf/all/accept_redirects", "net/ipv4/conf/*/accept_redirects",
	"net/ipv6/conf/all/forwarding", "net/ipv6/conf/*/forwarding",
	"net/bridge/bridge-nf-call-*",
	"net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_tcp_timeout_*",
	"kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "vm/panic_on_oom",
}

// Settings are those of one host.
type Settings struct {
	// root is /proc/sys, configured are the files that say what the host's
	// administrator wants, as patterns.
	root       string
	configured []string
}

// Local are the settings of this host.
func Local() *Settings {
	return &Settings{root: "/proc/sys", configured: []string{"/etc/sysctl.conf", "/etc/sysctl.d/*.conf", "/run/sysctl.d/*.conf"}}
}

// setting is one of a record, which has them in the order of names.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Record writes the settings to a file, unless it is there.
func (s *Settings) Record(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	var record []setting
	for _, pattern := range names {
		found, err := filepath.Glob(filepath.Join(s.root, pattern))
		if err != nil {
			return err
		}
		for _, file := range found {
			name, err := filepath.Rel(s.root, file)
			if err != nil {
				return err
			}
			known := slices.ContainsFunc(record, func(other setting) bool { return other.Name == name })
			if value, err := s.read(name); err == nil && !known {
				record = append(record, setting{name, value})
			}
		}
	}
	content, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	return paths.WriteFile(path, append(content, '\n'), 0o600)
}

// Restore puts back what a file has, and removes it. It returns the names of the
// settings that it changed. What the host's configuration asks for stays, and so
// does what the kernel does not take; without a file nothing is done.
func (s *Settings) Restore(path string) (changed []string, err error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var record []setting
	if err := json.Unmarshal(content, &record); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	wanted := s.wanted()
	for _, one := range record {
		if !filepath.IsLocal(one.Name) {
			continue
		}
		now, err := s.read(one.Name)
		if err != nil || now == one.Value || wanted[one.Name] == now {
			continue // an interface may have gone
		}
		if os.WriteFile(filepath.Join(s.root, one.Name), []byte(one.Value), 0o644) == nil {
			changed = append(changed, strings.ReplaceAll(one.Name, "/", "."))
		}
	}
	return changed, os.Remove(path)
}

func (s *Settings) read(name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(s.root, name))
	return strings.TrimSpace(string(content)), err
}

// wanted are the settings of the host's configuration, by their names.
func (s *Settings) wanted() map[string]string {
	settings := make(map[string]string)
	for _, pattern := range s.configured {
		files, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(content)) {
				name, value, ok := strings.Cut(strings.TrimLeft(strings.TrimSpace(line), "-"), "=")
				if ok && !strings.ContainsAny(line[:1], "#;") {
					settings[strings.ReplaceAll(strings.TrimSpace(name), ".", "/")] = strings.TrimSpace(value)
				}
			}
		}
	}
	return settings
}
