// Package multicall lets one executable be several programs, chosen by the
// name under which it is called.
//
// The programs of a Kubernetes minor, of etcd or of containerd are mostly the
// same code: linked once they take a third of the space, and one layer serves
// every image. The layer holds the executable and one symbolic link for each
// program.
package multicall

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Programs maps the name of a program to its main function, which may call
// os.Exit; returning means success. Constructors of commands register flags
// and feature gates globally, so only the chosen function may run.
type Programs map[string]func()

// Main runs the program that the process was started as: the base name of
// argv[0], or, when the executable is called by another name, the first
// argument. An unknown name ends the process with exit code 2 and the list of
// programs.
func Main(programs Programs) {
	name := filepath.Base(os.Args[0])
	if main, ok := programs[name]; ok {
		main()
		return
	}
	if len(os.Args) > 1 {
		if main, ok := programs[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			main()
			return
		}
	}
	names := make([]string, 0, len(programs))
	for known := range programs {
		names = append(names, known)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "error: %s: no such program in this executable\nhint: run it as, or with the first argument, one of: %s\n",
		name, strings.Join(names, ", "))
	os.Exit(2)
}
