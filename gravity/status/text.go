package status

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// timeFormat is that of times for people.
const timeFormat = "Mon Jan _2 15:04 UTC"

// printer writes lines until an error.
type printer struct {
	out io.Writer
	now time.Time
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// Text shows a status to a person (S29). The first lines are those of the guide.
func Text(out io.Writer, s *report.Status, now time.Time) error {
	p := &printer{out: out, now: now}
	cluster := &s.Cluster
	p.line("Cluster:\t%s%s", cluster.Domain, p.since(", created at ", cluster.Created))
	for _, n := range cluster.Nodes {
		created := ""
		if !n.Created.IsZero() {
			created = ", " + n.Created.UTC().Format(timeFormat)
		}
		p.line("    %s (%s)%s", n.Hostname, n.AdvertiseIP, created)
	}
	p.line("Application:\t\t%s, version %s", cluster.Application.Name, cluster.Application.Version)
	p.line("Status:\t\t\t%s", stateText(cluster))
	p.line("Join token:\t\t%s", tokenText(&cluster.Token))
	p.line("Periodic updates:\tOFF")
	server := cluster.ServerVersion.Version
	if server == "" {
		server = "unknown"
	}
	p.line("Gravity version:\t%s (client) / %s (server)", cluster.ClientVersion.Version, server)
	p.operations(cluster)
	p.endpoints(cluster)
	p.nodes(cluster)
	p.local(s)
	return p.err
}

// since is a time and how long ago it is.
func (p *printer) since(prefix string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s%s (%s)", prefix, t.UTC().Format(timeFormat), ago(p.now.Sub(t)))
}

// ago is a duration as people say it.
func ago(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	for _, unit := range []struct {
		name string
		size time.Duration
	}{
		{"year", 365 * 24 * time.Hour},
		{"month", 30 * 24 * time.Hour},
		{"week", 7 * 24 * time.Hour},
		{"day", 24 * time.Hour},
		{"hour", time.Hour},
		{"minute", time.Minute},
		{"second", time.Second},
	} {
		switch count := int64(d / unit.size); count {
		case 0:
		case 1:
			return "1 " + unit.name + " ago"
		default:
			return fmt.Sprintf("%d %ss ago", count, unit.name)
		}
	}
	return "now"
}

// tokenText is the token, or why there is none; only masters know.
func tokenText(token *report.StatusToken) string {
	if token.Problem == "" {
		return token.Token
	}
	return fmt.Sprintf("none (%s), %s", token.Problem, newToken)
}

// stateText is the state with its reason.
func stateText(cluster *report.StatusCluster) string {
	if cluster.State != health.StateDegraded {
		return cluster.State
	}
	reason := map[string]string{
		health.ReasonStatusCheck: "application status check failed",
		ReasonCluster:            "one or more of cluster nodes are not healthy",
	}[cluster.Reason]
	if reason == "" {
		return cluster.State
	}
	return fmt.Sprintf("%s (%s)", cluster.State, reason)
}

func (p *printer) operations(cluster *report.StatusCluster) {
	shown := cluster.ActiveOperations
	if len(shown) > 0 {
		p.line("Active operations:")
	} else if cluster.Operation != nil {
		p.line("Last completed operation:")
		shown = []report.StatusOperation{*cluster.Operation}
	}
	for i := range shown {
		p.operation(&shown[i])
	}
}

func (p *printer) operation(one *report.StatusOperation) {
	p.line("    * %s (%s)", one.Type, one.ID)
	p.line("      started:\t\t%s", p.since("", one.Created))
	switch one.State {
	case string(operation.InProgress):
		p.line("      %s, %d%% complete", oneLine(one.Progress.Message), one.Progress.Completion)
	case string(operation.Completed):
		p.line("      completed:\t%s", p.since("", one.Progress.Created))
	default:
		p.line("      %s:\t\t%s", one.State, p.since("", one.Progress.Created))
	}
}

// OperationText shows one operation.
func OperationText(out io.Writer, one *report.StatusOperation, now time.Time) error {
	p := &printer{out: out, now: now}
	p.line("Operation:\t\t%s (%s)", one.Type, one.ID)
	p.line("State:\t\t\t%s", one.State)
	p.line("Started:\t\t%s", p.since("", one.Created))
	p.line("Progress:\t\t%s, %d%% complete", oneLine(one.Progress.Message), one.Progress.Completion)
	return p.err
}

func (p *printer) endpoints(cluster *report.StatusCluster) {
	for _, application := range cluster.Endpoints.Applications {
		p.line("Application endpoints:")
		for _, endpoint := range application.Endpoints {
			description := ""
			if endpoint.Description != "" {
				description = " (" + endpoint.Description + ")"
			}
			p.line("    * %s%s:", endpoint.Name, description)
			for _, address := range endpoint.Addresses {
				p.line("        - %s", address)
			}
		}
	}
	if urls := cluster.Endpoints.Cluster.Kubernetes; len(urls) > 0 {
		p.line("Cluster endpoints:")
		p.line("    * Kubernetes API:")
		for _, url := range urls {
			p.line("        - %s", url)
		}
	}
}

func (p *printer) nodes(cluster *report.StatusCluster) {
	p.line("Cluster nodes:")
	for _, group := range []struct{ role, title string }{{"master", "Masters"}, {"node", "Nodes"}} {
		members := slices.DeleteFunc(slices.Clone(cluster.Nodes), func(n report.StatusNode) bool { return n.Role != group.role })
		if len(members) == 0 {
			continue
		}
		p.line("    %s:", group.title)
		for _, n := range members {
			p.line("        * %s (%s, %s)", n.Hostname, n.AdvertiseIP, n.Profile)
			p.line("            Status:\t%s", n.Status)
			for _, probe := range n.FailedProbes {
				p.line("            [×]\t%s", oneLine(probe))
			}
			for _, probe := range n.WarnProbes {
				p.line("            [!]\t%s", oneLine(probe))
			}
			p.stale(n)
		}
	}
}

// stale tells how old the probes are, if they are not new.
func (p *printer) stale(n report.StatusNode) {
	if age := p.now.Sub(n.Checked); !n.Checked.IsZero() && age > 2*health.Interval {
		p.line("            Probed:\t%s", ago(age))
	}
}

// local tells what was found on this node when the cluster did not answer. The
// words are those that users know (S38).
func (p *printer) local(s *report.Status) {
	if s.Error == "" {
		return
	}
	p.line("Failed to query Gravity cluster status. Running additional checks")
	p.line("    %s", oneLine(s.Error))
	for _, probe := range s.LocalChecks {
		mark := "×"
		if !probe.Degrades() {
			mark = "!"
		}
		p.line("    [%s]\t%s", mark, oneLine(line(probe)))
	}
}

// Event is a line of the history (S35).
func Event(event report.HealthEvent) string {
	titles := map[string]string{
		health.NodeDegraded: "Node Degraded", health.NodeRecovered: "Node Recovered",
		health.ProbeFailed: "Probe Failed", health.ProbeSucceeded: "Probe Succeeded",
		health.ClusterDegraded: "Cluster Degraded", health.ClusterRecovered: "Cluster Recovered",
		health.NodeAdded: "Node Added", health.NodeRemoved: "Node Removed", health.LeaderElected: "Leader Elected",
	}
	title := titles[event.Type]
	if title == "" {
		title = event.Type
	}
	var fields strings.Builder
	for _, field := range []struct{ name, value string }{{"node", event.Node}, {"checker", event.Checker}} {
		if field.value != "" {
			fmt.Fprintf(&fields, " %s=%s", field.name, field.value)
		}
	}
	return strings.TrimRight(fmt.Sprintf("%s %-19s%s", event.Time.UTC().Format(time.RFC3339), "["+title+"]", &fields), " ")
}

// oneLine keeps control characters of errors away from terminals.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
}
