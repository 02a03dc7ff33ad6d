package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/examples/images/member"
)

func newMemberCommand() *cobra.Command {
	options := member.Options{Output: os.Stderr, Patience: 4 * time.Second}
	var peers []string
	command := &cobra.Command{
		Use:   "member",
		Short: "Run a member of the database",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			for _, peer := range peers {
				name, host, ok := strings.Cut(peer, "=")
				if !ok {
					return fmt.Errorf("--peer %q is not NAME=HOST", peer)
				}
				options.Peers = append(options.Peers, member.Peer{Name: name, Host: host})
			}
			options.Log = newLog()
			self, err := member.New(options)
			if err != nil {
				return err
			}
			return self.Run(command.Context())
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Name, "name", "", "name of this member, one of the peers'")
	flags.StringArrayVar(&peers, "peer", nil, "a member, this one too, as NAME=HOST")
	flags.StringVar(&options.Volume, "volume", "/data", "folder for data")
	flags.StringVar(&options.Listen, "listen", "0.0.0.0", "address to listen on")
	flags.StringSliceVar(&options.Etcd, "etcd", []string{"etcd"}, "command of the etcd server")
	return command
}
