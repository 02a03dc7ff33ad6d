package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/examples/image"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
)

func newServeCommand() *cobra.Command {
	var layout, address string
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run a registry on this machine that has the images, until it is interrupted",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if layout == "" {
				cache, err := cachedir.Path("images")
				if err != nil {
					return err
				}
				layout = filepath.Join(cache, "layout")
			}
			served, err := image.Serve(command.Context(), layout, address)
			if err != nil {
				return err
			}
			out := command.OutOrStdout()
			for _, name := range served.Images {
				_, _ = fmt.Fprintln(out, name)
			}
			_, err = fmt.Fprintf(out, "serving at %s\n", served.Address)
			if err == nil {
				<-command.Context().Done()
				_, err = fmt.Fprintf(out, "answered %d requests\n", served.Requests())
			}
			return errors.Join(err, served.Close())
		},
	}
	flags := command.Flags()
	flags.StringVar(&layout, "layout", "", "OCI image layout of the images (default: in the cache)")
	flags.StringVar(&address, "address", "127.0.0.1:0", "where to listen, as `HOST:PORT`; port 0 is any")
	return command
}
