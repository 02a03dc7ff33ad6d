package health

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// serverName is how the agent calls itself, before its version.
const serverName = "gravity/"

// maxHealth bounds what the agent may answer, in bytes.
const maxHealth = 8 << 20

// URL is where the agent of this machine answers.
var URL = fmt.Sprintf("https://127.0.0.1:%d/", Port)

// Ask asks the agent of this machine to probe it now, and for the health of all
// nodes. It also returns the agent's version.
func Ask(ctx context.Context, p paths.Paths) (health *report.Health, version string, err error) {
	health = new(report.Health)
	told, err := ask(ctx, p, URL, health)
	return health, told.version, err
}

// AskNode asks the agent of another node for that node's health, as its last
// round of probes found it, and adds whether both have the same time.
func AskNode(ctx context.Context, p paths.Paths, address netip.Addr) (report.NodeHealth, error) {
	return askNode(ctx, p, fmt.Sprintf("https://%s/local", netip.AddrPortFrom(address, Port)))
}

func askNode(ctx context.Context, p paths.Paths, url string) (report.NodeHealth, error) {
	var found report.NodeHealth
	told, err := ask(ctx, p, url, &found)
	if err != nil || told.date.IsZero() {
		return found, err
	}
	// By its own clock, which need not be this one's.
	if !found.Checked.IsZero() && told.date.Sub(found.Checked) > maxAge {
		found = outdated(found)
	}
	found.Probes = append(found.Probes, probeOf(TimeDrift, "", judgeDrift(told.ahead())))
	if found.Status == report.HealthRunning {
		found.Status = StatusOf(found.Probes)
	}
	return found, nil
}

// Well lets the agent of this machine probe it now, and fails if it is not well: the
// error has what its probes found. Others are told that from then on.
func Well(ctx context.Context, p paths.Paths) error {
	var found report.NodeHealth
	if _, err := ask(ctx, p, URL+"local", &found); err != nil {
		return err
	}
	return problems(found)
}

// problems has what keeps a node from being well; nil if it is.
func problems(found report.NodeHealth) error {
	if found.Status == report.HealthRunning {
		return nil
	}
	var failed []string
	for _, probe := range found.Probes {
		if probe.Degrades() {
			failed = append(failed, fmt.Sprintf("%s: %s", probe.Checker, probe.Error))
		}
	}
	return fmt.Errorf("this node is %s: %s", found.Status, strings.Join(failed, "; "))
}

// told is what an answer of an agent says besides.
type told struct {
	// version is the agent's.
	version string
	// date is the time by its clock, in whole seconds; zero if it does not say. It is
	// between the other two, which are this machine's.
	date, sent, received time.Time
}

// ahead is how far the other clock is ahead of this one, at least: seconds that were
// cut off and the way there and back are no difference. It is negative for one that is
// behind.
func (t told) ahead() time.Duration {
	if ahead := t.date.Sub(t.received); ahead > 0 {
		return ahead
	}
	return min(0, t.date.Add(time.Second).Sub(t.sent))
}

func ask(ctx context.Context, p paths.Paths, url string, answer any) (told, error) {
	pool, err := readPool(filepath.Join(p.Certificates(), "ca.crt"))
	if err != nil {
		return told{}, err
	}
	client := http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"?fresh=true", nil)
	if err != nil {
		return told{}, err
	}
	said := told{sent: time.Now()}
	response, err := client.Do(request)
	if err != nil {
		return told{}, fmt.Errorf("ask the agent: %w", err)
	}
	defer response.Body.Close()
	said.received = time.Now()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return told{}, fmt.Errorf("ask the agent: %w", err)
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return told{}, fmt.Errorf("the agent answers %s: %s", response.Status, oneLine(string(content)))
	}
	said.version, _ = strings.CutPrefix(response.Header.Get("Server"), serverName)
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		said.date = date
	}
	return said, nil
}
