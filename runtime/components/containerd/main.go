// Command containerd is the containerd daemon and its client ctr in one
// executable, chosen by the name it is called by. It has the snapshotters and
// services that Kubernetes on Linux uses; the shim stays a program of its own,
// because one runs for every pod.
package main

import (
	"context"
	"fmt"
	"os"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins" // every service, the CRI plugin among them
	"github.com/containerd/containerd/v2/cmd/containerd/command"
	ctr "github.com/containerd/containerd/v2/cmd/ctr/app"

	"github.com/gravity-platform/terraform-provider-gravity/runtime/multicall"
)

func main() {
	multicall.Main(multicall.Programs{
		"containerd": func() { exit("containerd", command.App().Run(context.Background(), os.Args)) },
		"ctr":        func() { exit("ctr", ctr.New().Run(context.Background(), os.Args)) },
	})
}

func exit(program string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		os.Exit(1)
	}
}
