package main

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// openBundle opens a bundle that a user named. An error has a hint.
func openBundle(path string) (*bundle.Bundle, error) {
	opened, err := bundle.Open(path)
	if err != nil {
		return nil, explainOpen(err)
	}
	return opened, nil
}

// explainOpen adds what to do about a bundle that does not open, unless the
// error has a hint already.
func explainOpen(err error) error {
	switch {
	case len(cli.Hints(err)) > 0:
		return err
	case errors.Is(err, fs.ErrPermission):
		return cli.WithHint(err, "run this as a user who may read it")
	case errors.Is(err, fs.ErrNotExist):
		return cli.WithHint(err, "name the tar of a bundle, or the folder that one was extracted to")
	}
	return cli.WithHint(err,
		"if this is a bundle, it is damaged: copy or download it again; if not, name the tar of one or the folder that one was extracted to")
}

// damaged adds what to do when a bundle that could be opened turns out to be
// wrong.
func damaged(err error, path string) error {
	return cli.WithHint(err, "'tele verify %s' lists all that is wrong with the bundle", path)
}

// completeBundles completes the paths of as many bundles as a command takes: a
// bundle may be any file, or a folder.
func completeBundles(count int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= count {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}
