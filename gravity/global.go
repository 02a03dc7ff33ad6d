package main

import (
	"io"
	"os"
	"os/exec"

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

// self is how this program is called for this state folder. Before it is
// installed nobody finds it by its name.
func (g *globals) self() string {
	name := "gravity"
	if _, err := exec.LookPath(name); err != nil {
		name = os.Args[0]
	}
	if g.stateDir != paths.Installed() {
		name += " --state-dir=" + g.stateDir
	}
	return name
}

// isTerminal tells whether a person is at the other end.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// colored tells whether the output may have colours (https://no-color.org).
func colored(out io.Writer) bool { return isTerminal(out) && os.Getenv("NO_COLOR") == "" }
