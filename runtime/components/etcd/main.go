// Command etcd is the etcd server with its client (etcdctl) and its offline
// tool (etcdutl) in one executable, chosen by the name it is called by.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
	"go.etcd.io/etcd/server/v3/etcdmain"

	"github.com/gravity-platform/terraform-provider-gravity/runtime/multicall"
)

func main() {
	multicall.Main(multicall.Programs{
		"etcd":    func() { etcdmain.Main(os.Args) },
		"etcdctl": ctlv3.MustStart,
		"etcdutl": runEtcdutl,
	})
}

// runEtcdutl assembles the commands of etcdutl, whose own main package cannot
// be imported.
func runEtcdutl() {
	root := &cobra.Command{
		Use:           "etcdutl",
		Short:         "An administrative command line tool for etcd3.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple",
		"set the output format (fields, json, protobuf, simple, table)")
	root.AddCommand(
		etcdutl.NewDefragCommand(),
		etcdutl.NewSnapshotCommand(),
		etcdutl.NewHashKVCommand(),
		etcdutl.NewMigrateCommand(),
		etcdutl.NewVersionCommand(),
		etcdutl.NewCompletionCommand(),
	)
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
