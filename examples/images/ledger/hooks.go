package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// hookWithin bounds what hooks ask for; the hook's job has a bound of its own.
const hookWithin = 10 * time.Minute

func newDumpCommand() *cobra.Command {
	var endpoints []string
	command := &cobra.Command{
		Use:   "dump",
		Short: "Print all rows, for load",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(command.Context(), hookWithin)
			defer cancel()
			rows, closeBook, err := openBook(ctx, endpoints)
			if err != nil {
				return err
			}
			defer closeBook()
			count, err := rows.Dump(ctx, command.OutOrStdout())
			if err == nil {
				_, _ = fmt.Fprintf(command.ErrOrStderr(), "%d rows\n", count)
			}
			return err
		},
	}
	addDatabaseFlag(command, &endpoints)
	return command
}

func newLoadCommand() *cobra.Command {
	var endpoints []string
	command := &cobra.Command{
		Use:   "load",
		Short: "Replace all rows by those of a dump on standard input",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			input, ok := command.InOrStdin().(io.ReadSeeker)
			if ok {
				_, err := input.Seek(0, io.SeekStart)
				ok = err == nil
			}
			if !ok {
				return errors.New("standard input must be a file, as it is read twice: run 'ledger load < FILE'")
			}
			ctx, cancel := context.WithTimeout(command.Context(), hookWithin)
			defer cancel()
			rows, closeBook, err := openBook(ctx, endpoints)
			if err != nil {
				return err
			}
			defer closeBook()
			count, err := rows.Load(ctx, input)
			if err == nil {
				_, _ = fmt.Fprintf(command.ErrOrStderr(), "%d rows\n", count)
			}
			return err
		},
	}
	addDatabaseFlag(command, &endpoints)
	return command
}

func newMigrateCommand() *cobra.Command {
	var endpoints []string
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Bring all rows to the schema of this version",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(command.Context(), hookWithin)
			defer cancel()
			rows, closeBook, err := openBook(ctx, endpoints)
			if err != nil {
				return err
			}
			defer closeBook()
			changed, err := rows.Migrate(ctx)
			if err == nil {
				_, _ = fmt.Fprintf(command.OutOrStdout(), "schema %d: %d rows changed\n", schema(), changed)
			}
			return err
		},
	}
	addDatabaseFlag(command, &endpoints)
	return command
}

func newCheckCommand() *cobra.Command {
	var (
		within time.Duration
		want   string
	)
	command := &cobra.Command{
		Use:   "check URL",
		Short: "Wait until an address answers with 200",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeoutCause(command.Context(), within, fmt.Errorf("not within %s", within))
			defer cancel()
			for {
				err := checkOnce(ctx, args[0], want)
				if err == nil {
					return nil
				}
				select {
				case <-ctx.Done():
					return fmt.Errorf("check %s: %w: %w", args[0], context.Cause(ctx), err)
				case <-time.After(time.Second):
				}
			}
		},
	}
	command.Flags().DurationVar(&within, "within", 30*time.Second, "how long to try")
	command.Flags().StringVar(&want, "contains", "", "text that the answer must have")
	return command
}

func checkOnce(ctx context.Context, url, want string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s: %s", response.Status, text)
	}
	if !strings.Contains(text, want) {
		return fmt.Errorf("its answer does not have %q: %s", want, text)
	}
	return nil
}

func newOwnCommand() *cobra.Command {
	var uid int
	command := &cobra.Command{
		Use:   "own FOLDER",
		Short: "Make a folder for the user of the database (as root)",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return os.Chown(args[0], uid, uid)
		},
	}
	command.Flags().IntVar(&uid, "uid", 65532, "number of the user and the group")
	return command
}
