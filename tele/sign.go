package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func newSignCommand() *cobra.Command {
	var flags signFlags
	var format cli.Format
	var quiet bool
	command := &cobra.Command{
		Use:   "sign BUNDLE --sign-key=FILE",
		Short: "Sign a bundle",
		Long: `Sign a bundle, the tar of one or the folder that it was extracted to. What is
signed is its index, which has the digest of everything else: all that will run.
Signatures that it has already stay, and its digest does not change.

The bundle is replaced when the new one is complete. Where the file system cannot
share blocks that takes as much space again; 'tele build --sign-key' does not.
Whether the bundle is intact is not checked: 'tele verify' does that.`,
		Example: `  tele key release.key > release.pub
  tele sign shop-1.2.3.tar --sign-key=release.key
  tele verify shop-1.2.3.tar --key=release.pub`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeBundles(1),
		RunE: func(command *cobra.Command, args []string) error {
			path := args[0]
			keys, err := flags.read(command)
			if err != nil {
				return err
			}
			shown := newProgress(command.ErrOrStderr(), format, quiet, "sign")
			set, err := bundle.Sign(command.Context(), path, keys, bundle.Options{Progress: shown.update})
			shown.end()
			if err != nil {
				return explainOpen(err)
			}
			return printSigned(command.OutOrStdout(), format, quiet, path, set)
		},
	}
	flags.add(command)
	_ = command.MarkFlagRequired("sign-key")
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the digest of the bundle, and no progress")
	cli.AddOutputFlag(command, &format)
	return command
}

func printSigned(out io.Writer, format cli.Format, quiet bool, path string, set signature.Set) error {
	opened, err := openBundle(path)
	if err != nil {
		return err
	}
	defer opened.Close()
	digest := opened.Digest().String()
	if format == cli.FormatJSON {
		return cli.PrintJSON(out, report.Signing{Digest: digest, Path: path, Signatures: reportSignatures(set, nil)})
	}
	if quiet {
		_, err := fmt.Fprintln(out, digest)
		return err
	}
	index := opened.Index()
	fmt.Fprintf(out, "%s %s: %s is signed\n%s\n", index.Name, index.Version, path, digest)
	for _, one := range set {
		fmt.Fprintf(out, "signed by %s (%s)\n", one.Key.ID(), one.Key.Algorithm())
	}
	return nil
}

// requiredKey is a public key that must have signed, with its file.
type requiredKey struct {
	signature.PublicKey
	file string
}

// reportSignatures lists signatures with the files of the keys that were given.
func reportSignatures(set signature.Set, given []requiredKey) []report.Signature {
	listed := []report.Signature{}
	for _, one := range set {
		described := report.Signature{Key: one.Key.ID(), Algorithm: string(one.Key.Algorithm())}
		for _, key := range given {
			if key.Equal(one.Key) {
				described.File = key.file
			}
		}
		listed = append(listed, described)
	}
	return listed
}
