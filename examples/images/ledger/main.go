// Command ledger is the program of the example application: the web
// application, the watcher over a member of its database, and what hooks use.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/gravity-platform/terraform-provider-gravity/examples/images/book"
)

// version is set by the linker; its first number is the schema of rows.
var version = "1.0.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "ledger",
		Short:         "Keep rows in a replicated database",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newServeCommand(), newMemberCommand(), newDumpCommand(), newLoadCommand(), newMigrateCommand(), newCheckCommand(), newOwnCommand())
	return root
}

func schema() int {
	if strings.HasPrefix(version, "1.") {
		return 1
	}
	return 2
}

func newLog() *slog.Logger { return slog.New(slog.NewJSONHandler(os.Stderr, nil)) }

// databaseVariable is the environment variable that has the addresses.
const databaseVariable = "LEDGER_DATABASE"

// addDatabaseFlag defines where the database is.
func addDatabaseFlag(command *cobra.Command, endpoints *[]string) {
	var known []string
	if value := os.Getenv(databaseVariable); value != "" {
		known = strings.Split(value, ",")
	}
	command.Flags().StringSliceVar(endpoints, "database", known, "addresses of the database's members (default: those in $"+databaseVariable+")")
}

// openBook connects to the database; the connection is made when it is needed.
func openBook(ctx context.Context, endpoints []string) (*book.Book, func(), error) {
	if len(endpoints) == 0 {
		return nil, nil, fmt.Errorf("the database's addresses are not known: set %s or --database", databaseVariable)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, Context: ctx, DialTimeout: 5 * time.Second,
		// A member that vanished with its node is noticed within this time.
		DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: 3 * time.Second,
		Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the database: %w", err)
	}
	return book.New(client, schema()), func() { _ = client.Close() }, nil
}
