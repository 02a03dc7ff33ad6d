package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/examples/images/web"
)

// drainWithin is how long requests may go on after the program was asked to
// end; Kubernetes gives it a little longer.
const drainWithin = 20 * time.Second

func newServeCommand() *cobra.Command {
	var (
		listen    string
		endpoints []string
		grace     time.Duration
	)
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the web application",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return serve(command.Context(), listen, endpoints, grace)
		},
	}
	command.Flags().StringVar(&listen, "listen", ":8080", "address to listen on")
	command.Flags().DurationVar(&grace, "grace", 0, "time to go on serving after SIGTERM, until no more requests are sent here")
	addDatabaseFlag(command, &endpoints)
	return command
}

func serve(ctx context.Context, listen string, endpoints []string, grace time.Duration) error {
	// Requests that are under way need the database when ctx has ended.
	rows, closeBook, err := openBook(context.WithoutCancel(ctx), endpoints)
	if err != nil {
		return err
	}
	defer closeBook()
	log := newLog()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           web.Handler(rows, version, log),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 6 * time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	log.Info("ledger serves", "version", version, "address", listener.Addr().String())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	log.Info("ledger ends when its requests have", "grace", grace.String())
	select {
	case err := <-served:
		return err
	case <-time.After(grace):
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return fmt.Errorf("requests were cut off: %w", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
