package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/display"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/status"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// statusDisplay is the command line of gravity status (S29, S30).
type statusDisplay struct {
	*globals
	format      cli.Format
	operationID string
	token, tail bool
	seconds     int
}

func newStatusCommand(g *globals) *cobra.Command {
	s := &statusDisplay{globals: g}
	command := &cobra.Command{
		Use:   "status",
		Short: "Show the status of the cluster and of its application",
		Long: "Show the status of the cluster and of its application. The exit code is 3 if the cluster is degraded, and 1 if there is none.\n" +
			"With --quiet only the state is printed: of the operation that --operation-id names, or else of the cluster.",
		RunE: s.run,
	}
	cli.AddOutputFlag(command, &s.format)
	flags := command.Flags()
	flags.BoolVar(&s.token, "token", false, "print only the token by which nodes join")
	flags.BoolVar(&s.tail, "tail", false, "follow the active operation until it ends")
	flags.StringVar(&s.operationID, "operation-id", "", "show an operation instead of the cluster")
	flags.IntVarP(&s.seconds, "seconds", "s", 0, "show the status again each so many seconds")
	command.MarkFlagsMutuallyExclusive("token", "tail", "seconds")
	command.MarkFlagsMutuallyExclusive("token", "operation-id")
	command.AddCommand(newStatusHistoryCommand(g))
	return command
}

func (s *statusDisplay) run(command *cobra.Command, _ []string) error {
	if s.seconds < 0 {
		return cli.Usagef("--seconds: %d is not a number of seconds", s.seconds)
	}
	p, err := paths.New(s.stateDir)
	if err != nil {
		return err
	}
	switch {
	case s.token:
		return s.printToken(command, p)
	case s.tail:
		if s.format != cli.FormatText {
			return cli.Usagef("--tail prints lines, not %s", s.format)
		}
		found, err := findOperation(command.Context(), s.operations(), s.operationID, false)
		if err != nil {
			return err
		}
		return display.Tail(command.Context(), command.OutOrStdout(), s.operations(), found.Plan.OperationID, tailInterval)
	}
	for {
		err := s.show(command, p)
		if s.seconds == 0 {
			return err
		}
		if err != nil {
			cli.PrintError(command.ErrOrStderr(), s.format, err)
		}
		select {
		case <-command.Context().Done():
			return command.Context().Err()
		case <-time.After(time.Duration(s.seconds) * time.Second):
		}
	}
}

func (s *statusDisplay) printToken(command *cobra.Command, p paths.Paths) error {
	n, err := status.Node(command.Context(), p, s.operations())
	if err != nil {
		return needsRoot(err)
	}
	token, err := status.Token(command.Context(), p, n)
	if err != nil {
		return needsRoot(err)
	}
	if s.format == cli.FormatJSON {
		return cli.PrintJSON(command.OutOrStdout(), report.StatusToken{Token: token, Type: status.TokenType, SiteDomain: n.Cluster})
	}
	_, err = fmt.Fprint(command.OutOrStdout(), token)
	return err
}

// needsRoot tells who may read the state of a node.
func needsRoot(err error) error {
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		return cli.WithHint(err, "run it with sudo")
	}
	return err
}

// show prints the status once; the error says that something is wrong with it.
func (s *statusDisplay) show(command *cobra.Command, p paths.Paths) error {
	if s.operationID != "" {
		return s.showOperation(command)
	}
	found, err := status.Collect(command.Context(), p, s.operations())
	if err != nil {
		return needsRoot(err)
	}
	out := command.OutOrStdout()
	switch {
	case s.format == cli.FormatJSON:
		err = cli.PrintJSON(out, found)
	case s.quiet:
		_, err = fmt.Fprintln(out, found.Cluster.State)
	default:
		err = status.Text(out, found, time.Now())
	}
	if err != nil || status.Healthy(found) {
		return err
	}
	return cli.WithCode(cli.WithHint(fmt.Errorf("cluster %s is %s: %s", found.Cluster.Domain, found.Cluster.State, causes(found)),
		"see what has changed with 'gravity status history'"), cli.ExitDegraded)
}

// causes are what is wrong with a cluster, in a few words.
func causes(s *report.Status) string {
	var causes []string
	if s.Cluster.Message != "" {
		causes = append(causes, s.Cluster.Message)
	}
	for _, n := range s.Cluster.Nodes {
		var checkers []string
		for _, probe := range n.FailedProbes {
			checker, _, _ := strings.Cut(probe, ":")
			checkers = append(checkers, checker)
		}
		if len(checkers) > 0 {
			causes = append(causes, fmt.Sprintf("node %s fails %s", n.Hostname, strings.Join(checkers, ", ")))
		}
	}
	if s.Error != "" {
		causes = append(causes, s.Error)
	}
	if len(causes) == 0 && s.Cluster.Operation != nil {
		causes = append(causes, s.Cluster.Operation.Progress.Message)
	}
	return strings.Join(causes, "; ")
}

func (s *statusDisplay) showOperation(command *cobra.Command) error {
	found, err := findOperation(command.Context(), s.operations(), s.operationID, true)
	if err != nil {
		return needsRoot(err)
	}
	shown := status.Operation(found)
	out := command.OutOrStdout()
	switch {
	case s.format == cli.FormatJSON:
		return cli.PrintJSON(out, shown)
	case s.quiet:
		_, err := fmt.Fprintln(out, shown.State)
		return err
	}
	return status.OperationText(out, &shown, time.Now())
}

// newStatusHistoryCommand is gravity status history (S35).
func newStatusHistoryCommand(g *globals) *cobra.Command {
	var format cli.Format
	var checker string
	command := &cobra.Command{
		Use:   "history",
		Short: "Show what has changed in the status of the cluster",
		RunE: func(command *cobra.Command, _ []string) error {
			return g.statusHistory(command, format, checker)
		},
	}
	cli.AddOutputFlag(command, &format)
	command.Flags().StringVar(&checker, "checker", "", "show only what concerns one probe")
	return command
}

func (g *globals) statusHistory(command *cobra.Command, format cli.Format, checker string) error {
	p, err := paths.New(g.stateDir)
	if err != nil {
		return err
	}
	if _, err := node.Read(p); err != nil {
		return needsRoot(err)
	}
	events, err := health.ReadHistory(p.History())
	if err != nil {
		return needsRoot(err)
	}
	shown := []report.HealthEvent{}
	for _, event := range events {
		if checker == "" || event.Checker == health.Canonical(checker) {
			shown = append(shown, event)
		}
	}
	out := command.OutOrStdout()
	if format == cli.FormatJSON {
		return cli.PrintJSON(out, report.History{Events: shown})
	}
	if len(shown) == 0 {
		_, err := fmt.Fprintln(out, "No status history available to display.")
		return err
	}
	for _, event := range shown {
		if _, err := fmt.Fprintln(out, status.Event(event)); err != nil {
			return err
		}
	}
	return nil
}
