// Command lab runs real machines on one host: for demonstrations, for trying
// things out, and for whoever wants to see what a test sees.
package main

import (
	"os"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func main() {
	lab.SuperviseIfAsked()
	os.Exit(run())
}

// run returns the exit code: that of a program in a machine, if one ran and
// failed, since nobody needs a second message about it.
func run() int {
	program := &program{}
	code := cli.Run(newRootCommand(program))
	if code == cli.ExitOK {
		return program.exitCode
	}
	return code
}
