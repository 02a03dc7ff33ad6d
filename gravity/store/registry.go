package store

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"
)

// RegistryPort is where every master's registry listens.
const RegistryPort = 5000

// mirrorTimeout is how long containerd tries to connect to a master's registry
// before it asks the next one.
const mirrorTimeout = 3 * time.Second

// Registry describes the registry that serves a store. Paths are those inside
// the master container.
type Registry struct {
	// Root is the store.
	Root string
	// CA, Certificate and Key are PEM files: the registry shows the
	// certificate, and serves whoever has one of the same authority.
	CA, Certificate, Key string
}

// Config is the registry's configuration file. The registry only reads: what is
// new comes by Import.
func (r Registry) Config() []byte {
	return fmt.Appendf(nil, `version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
  delete: {enabled: false}
  maintenance:
    uploadpurging: {enabled: false}
    readonly: {enabled: true}
http:
  addr: ":%d"
  headers: {X-Content-Type-Options: [nosniff]}
  tls:
    certificate: %s
    key: %s
    clientcas: [%s]
    clientauth: require-and-verify-client-cert
    minimumtls: tls1.2
validation:
  manifests:
    # Of an image for several platforms the store may have only one.
    indexes: {platforms: none}
`, r.Root, RegistryPort, r.Certificate, r.Key, r.CA)
}

// Mirror is containerd's hosts.toml for an original registry host: images come
// from the registries of masters, tried in their order, and from nowhere else.
// An empty host is for those that no image of the store has.
func (r Registry) Mirror(host string, masters []netip.Addr) []byte {
	folder := HostFolder(host)
	switch host {
	case "":
		folder = "unknown.invalid"
	case clusterAlias:
		folder = HostFolder(ClusterRegistry)
	}
	settings := []string{
		fmt.Sprintf("ca = %q", r.CA), fmt.Sprintf("client = [[%q, %q]]", r.Certificate, r.Key),
		`capabilities = ["pull", "resolve"]`, "override_path = true",
		// A master that is lost would hold up each request for half a minute.
		fmt.Sprintf("dial_timeout = %q", mirrorTimeout),
	}
	var text strings.Builder
	for i, master := range masters {
		address := netip.AddrPortFrom(master, RegistryPort)
		if i == 0 {
			// Without it containerd would ask the original host in the end.
			fmt.Fprintf(&text, "server = \"https://%s/v2/%s\"\n", address, folder)
			fmt.Fprintf(&text, "%s\n", strings.Join(settings, "\n"))
		}
		fmt.Fprintf(&text, "\n[host.\"https://%s/v2/%s\"]\n  %s\n", address, folder, strings.Join(settings, "\n  "))
	}
	return []byte(text.String())
}

// Hosts lists the original hosts of what is in the store, and the cluster's own
// registry by its other name.
func (s *Store) Hosts() ([]string, error) {
	entries, err := os.ReadDir(s.path("repositories"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("package store: %w", err)
	}
	hosts := make([]string, 0, len(entries))
	for _, entry := range entries {
		host := strings.ReplaceAll(entry.Name(), "_", ":")
		if hosts = append(hosts, host); host == ClusterRegistry {
			hosts = append(hosts, clusterAlias)
		}
	}
	return hosts, nil
}
