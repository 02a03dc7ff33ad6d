package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// globals are the flags of all commands.
type globals struct {
	stateDir string
	debug    bool
	quiet    bool
}

func addGlobals(root *cobra.Command) *globals {
	g := &globals{}
	flags := root.PersistentFlags()
	flags.StringVar(&g.stateDir, "state-dir", paths.Installed(), "directory for local state")
	flags.BoolVar(&g.debug, "debug", false, "log what happens inside to standard error")
	flags.BoolVarP(&g.quiet, "quiet", "q", false, "print results only")
	return g
}

// operations is where this node keeps its operations.
func (g *globals) operations() *disk.Store {
	return disk.New(paths.Paths{Root: g.stateDir}.Operations())
}

// log is where executors tell what they do: their warnings always, the rest with
// --debug.
func (g *globals) log(w io.Writer) *slog.Logger {
	if !g.debug {
		return slog.New(newWarnings(w))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// isTerminal tells whether a person is at the other end.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// colored tells whether the output may have colours (https://no-color.org).
func colored(out io.Writer) bool { return isTerminal(out) && os.Getenv("NO_COLOR") == "" }
