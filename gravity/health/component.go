package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// component asks a component on loopback how it is. The scheduler and the
// controller manager sign their certificates themselves, and nothing is believed
// but that they are well.
func component(url string) func(context.Context) (string, error) {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // see above
	return func(ctx context.Context) (string, error) { return "", answers(ctx, url, config) }
}

// apiServer asks the API server of this node, not the one that the balancer
// chooses.
func apiServer(p paths.Paths, n *node.Node) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		pool, err := readPool(p.KubernetesFile("pki", "ca.crt"))
		if err != nil {
			return "", err
		}
		url := fmt.Sprintf("https://%s/readyz?verbose", netip.AddrPortFrom(n.Address, kubeadm.APIServerPort))
		return "", answers(ctx, url, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	}
}

// registry asks the registry of this node, as containerd does.
func registry(p paths.Paths) func(context.Context) (string, error) {
	file := func(name string) string { return filepath.Join(p.Certificates(), name) }
	return func(ctx context.Context) (string, error) {
		pool, err := readPool(file("ca.crt"))
		if err != nil {
			return "", err
		}
		certificate, err := tls.LoadX509KeyPair(file("node.crt"), file("node.key"))
		if err != nil {
			return "", err
		}
		return "", answers(ctx, "https://"+container.RegistryAddress()+"/v2/", &tls.Config{
			RootCAs: pool, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
		})
	}
}

func readPool(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s has no certificate", file)
	}
	return pool, nil
}

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 4 << 20

// answers fails unless a server answers 200.
func answers(ctx context.Context, url string, config *tls.Config) error {
	_, err := get(ctx, url, config)
	return err
}

// get returns what a server answers, and fails unless that is 200; the error has what
// the server says is wrong. Connections are not kept: a new one finds out more.
func get(ctx context.Context, url string, config *tls.Config) (string, error) {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode == http.StatusOK {
		return string(body), nil
	}
	if err != nil {
		return "", fmt.Errorf("%s answers %s: %w", url, response.Status, err)
	}
	return "", fmt.Errorf("%s answers %s: %s", url, response.Status, complaints(string(body)))
}

// complaints are the lines of a component's verbose answer that say what is
// wrong, or else all of it.
func complaints(body string) string {
	var lines []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "[-]") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) == 0 {
		return body
	}
	return strings.Join(lines, "; ")
}

// inside checks what is only seen inside the master container.
type inside struct{ container *container.Container }

// containerd asks containerd for its version, which needs the daemon to serve.
func (i inside) containerd(ctx context.Context) (string, error) {
	_, err := i.container.Exec(ctx, container.Command{Args: []string{"ctr", "--connect-timeout=5s", "--timeout=5s", "version"}})
	return "", err
}

// systemd fails if a unit of the container has.
func (i inside) systemd(ctx context.Context) (string, error) {
	output, err := i.container.Exec(ctx, container.Command{
		Args: []string{"systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager"},
	})
	if err != nil {
		return "", err
	}
	if failed := failedUnits(output); len(failed) > 0 {
		return "", fmt.Errorf("units have failed: %s", strings.Join(failed, ", "))
	}
	return "", nil
}

// failedUnits are the first words of lines.
func failedUnits(output string) (units []string) {
	for line := range strings.Lines(output) {
		if fields := strings.Fields(line); len(fields) > 0 {
			units = append(units, fields[0])
		}
	}
	return units
}
