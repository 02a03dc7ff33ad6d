package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func newTokenCommand(g *globals) *cobra.Command {
	command := &cobra.Command{Use: "token", Short: "Tokens by which machines join the cluster"}
	command.AddCommand(newTokenCreateCommand(g), newTokenListCommand(g), newTokenRemoveCommand(g))
	return command
}

// openCluster opens the cluster's API, which only masters can.
func (g *globals) openCluster() (*kube.Client, error) {
	p, err := paths.New(g.stateDir)
	if err != nil {
		return nil, err
	}
	client, err := kube.Open(p.KubernetesFile("admin.conf"))
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("this machine is no master of a cluster: %w", err), "run it on a master, as root")
	}
	return client, nil
}

func newTokenCreateCommand(g *globals) *cobra.Command {
	var life time.Duration
	var format cli.Format
	command := &cobra.Command{
		Use:   "create",
		Short: "Make a token by which machines join, and print it",
		RunE: func(command *cobra.Command, _ []string) error {
			if life <= 0 {
				return cli.Usagef("--ttl: %s is not a time to live", life)
			}
			client, err := g.openCluster()
			if err != nil {
				return err
			}
			made, expires := token.New(), time.Now().Add(life)
			if err := token.Put(command.Context(), client, made, expires); err != nil {
				return err
			}
			if format == cli.FormatJSON {
				return cli.PrintJSON(command.OutOrStdout(), report.JoinToken{ID: made.ID, Token: made.String(), Expires: expires.UTC().Truncate(time.Second)})
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), made)
			return err
		},
	}
	command.Flags().DurationVar(&life, "ttl", 24*time.Hour, "how long it can be used")
	cli.AddOutputFlag(command, &format)
	return command
}

func newTokenListCommand(g *globals) *cobra.Command {
	var format cli.Format
	command := &cobra.Command{
		Use:   "ls",
		Short: "List the tokens by which machines join, without what is secret",
		RunE: func(command *cobra.Command, _ []string) error {
			client, err := g.openCluster()
			if err != nil {
				return err
			}
			now := time.Now()
			records, err := token.List(command.Context(), client, now)
			if err != nil {
				return err
			}
			if format == cli.FormatJSON {
				list := make([]report.JoinToken, 0, len(records))
				for _, r := range records {
					list = append(list, report.JoinToken{ID: r.ID, Created: r.Created.UTC(), Expires: r.Expires, Expired: r.Expired(now)})
				}
				return cli.PrintJSON(command.OutOrStdout(), list)
			}
			table := tabwriter.NewWriter(command.OutOrStdout(), 0, 8, 3, ' ', 0)
			fmt.Fprintln(table, "ID\tCREATED\tEXPIRES")
			for _, r := range records {
				expires := "never"
				if !r.Expires.IsZero() {
					expires = r.Expires.UTC().Format(time.RFC3339)
				}
				if r.Expired(now) {
					expires += " (expired)"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\n", r.ID, r.Created.UTC().Format(time.RFC3339), expires)
			}
			return table.Flush()
		},
	}
	cli.AddOutputFlag(command, &format)
	return command
}

func newTokenRemoveCommand(g *globals) *cobra.Command {
	var format cli.Format
	command := &cobra.Command{
		Use:   "rm ID",
		Short: "Make a token worthless; nodes that have joined by it stay",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			client, err := g.openCluster()
			if err != nil {
				return err
			}
			err = token.Remove(command.Context(), client, args[0])
			if errors.Is(err, token.ErrUnknown) {
				return cli.WithHint(fmt.Errorf("there is no join token with the ID %q", args[0]), "see 'gravity token ls'")
			}
			if err != nil {
				return err
			}
			return g.forgetToken(args[0])
		},
	}
	cli.AddOutputFlag(command, &format)
	return command
}

// forgetToken removes the token that this master keeps if it is the one that became
// worthless.
func (g *globals) forgetToken(id string) error {
	p, err := paths.New(g.stateDir)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(p.Token())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if kept, err := token.Parse(string(content)); err != nil || kept.ID != id {
		return nil //nolint:nilerr // it is another one
	}
	return os.Remove(p.Token())
}
