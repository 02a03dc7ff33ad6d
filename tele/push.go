package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func newPushCommand() *cobra.Command {
	var flags hubFlags
	var format cli.Format
	var force, quiet bool
	command := &cobra.Command{
		Use:   "push BUNDLE [HUB]",
		Short: "Push a bundle to a hub",
		Long: `Push a bundle, the tar of one or the folder that it was extracted to, to a hub: any
OCI registry, as HOST or HOST/PATH. There it is HUB/NAME:VERSION.

What the hub has already is not sent again, and what was interrupted is continued.
The name appears when all is there. Signatures and the bill of materials go with
the bundle; 'tele pull' gives the same bytes.`,
		Example: `  tele login hub.example.com/team
  tele push shop-1.2.3.tar
  tele push shop-1.2.3.tar registry.example.com:5000/shops`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeBundles(1),
		RunE: func(command *cobra.Command, args []string) error {
			named, err := chooseHub(args[1:])
			if err != nil {
				return err
			}
			opened, err := openBundle(args[0])
			if err != nil {
				return err
			}
			defer opened.Close()
			shown := newProgress(command.ErrOrStderr(), format, quiet, "push")
			connection, err := flags.connect(shown)
			if err != nil {
				return err
			}
			defer connection.Close()
			pushed, err := connection.Push(command.Context(), opened, named, force)
			shown.end()
			if err != nil {
				return err
			}
			out := command.OutOrStdout()
			switch {
			case format == cli.FormatJSON:
				return cli.PrintJSON(out, report.Push{
					Reference: pushed.Reference, Digest: opened.Digest().String(), HubDigest: pushed.Digest.String(),
					Sent: pushed.Sent, Reused: pushed.Reused, Unchanged: pushed.Unchanged,
				})
			case quiet:
				_, err = fmt.Fprintln(out, opened.Digest())
			case pushed.Unchanged:
				_, err = fmt.Fprintf(out, "%s is there already\n%s\n", pushed.Reference, opened.Digest())
			default:
				_, err = fmt.Fprintf(out, "%s: %s sent\n%s\n", pushed.Reference, formatSize(pushed.Sent), opened.Digest())
			}
			return err
		},
	}
	flags.add(command, true)
	command.Flags().BoolVarP(&force, "force", "f", false, "replace a bundle of the same name and version, and send what the hub has lost")
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the digest of the bundle, and no progress")
	cli.AddOutputFlag(command, &format)
	return command
}

// pullFlags are the flags of pull.
type pullFlags struct {
	hubFlags
	output           string
	overwrite, quiet bool
	keys             []string
	format           cli.Format
}

func newPullCommand() *cobra.Command {
	var flags pullFlags
	command := &cobra.Command{
		Use:   "pull BUNDLE",
		Short: "Pull a bundle from a hub",
		Long: `Pull a bundle from a hub. BUNDLE is NAME or NAME:VERSION of the hub that is used
(see 'tele login'), or HOST/PATH/NAME:VERSION of any. Without a version it is the
newest one.

The file is byte for byte the one that was pushed, and appears when it is complete.
What was interrupted is continued, and what other bundles have is not fetched
again. With --key, a bundle that the key did not sign is refused before its layers
are fetched.`,
		Example: `  tele pull shop:1.2.3
  tele pull hub.example.com/team/shop -o shop.tar --key=release.pub`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return runPull(command, &flags, args[0]) },
	}
	set := command.Flags()
	set.StringVarP(&flags.output, "output", "o", "", "the `FILE` to write (default NAME-VERSION.tar)")
	set.BoolVarP(&flags.overwrite, "overwrite", "f", false, "replace the file if it exists")
	set.StringArrayVar(&flags.keys, "key", nil, "the public key in this `FILE` must have signed the bundle; repeatable")
	set.BoolVarP(&flags.quiet, "quiet", "q", false, "print only the digest of the bundle, and no progress")
	flags.add(command, true)
	cli.AddFormatFlag(command, &flags.format)
	return command
}

func runPull(command *cobra.Command, flags *pullFlags, text string) error {
	ctx := command.Context()
	keys, err := readRequiredKeys(flags.keys)
	if err != nil {
		return err
	}
	if flags.output != "" {
		if err := checkPulled(flags.output, flags.overwrite); err != nil {
			return err
		}
	}
	shown := newProgress(command.ErrOrStderr(), flags.format, flags.quiet, "pull")
	connection, err := flags.connect(shown)
	if err != nil {
		return err
	}
	defer connection.Close()
	reference, err := fullName(text)
	if err == nil && !hasVersion(reference) {
		reference, err = newest(command, connection, reference)
	}
	if err != nil {
		return err
	}
	remote, err := connection.Find(ctx, reference)
	if err != nil {
		return err
	}
	defer remote.Close(ctx)
	if err := requireKeys(remote.Signatures, keys); err != nil {
		return err
	}
	path := flags.output
	if path == "" {
		path = remote.FileName()
		if err := checkPulled(path, flags.overwrite); err != nil {
			return err
		}
	}
	writing := newProgress(command.ErrOrStderr(), flags.format, flags.quiet, "write")
	written, err := remote.Write(ctx, path, writing.update)
	shown.end()
	writing.end()
	if err != nil {
		return err
	}
	result := report.Pull{
		Name: remote.Index.Name, Version: remote.Index.Version, Reference: reference, Path: path,
		Digest: written.Digest.String(), Size: written.Size, Signatures: reportSignatures(remote.Signatures, keys),
	}
	return printPulled(command, flags, &result)
}

func printPulled(command *cobra.Command, flags *pullFlags, pulled *report.Pull) error {
	out := command.OutOrStdout()
	if flags.format == cli.FormatJSON {
		return cli.PrintJSON(out, pulled)
	}
	if flags.quiet {
		_, err := fmt.Fprintln(out, pulled.Digest)
		return err
	}
	fmt.Fprintf(out, "%s %s: %s is complete: %s\n%s\n", pulled.Name, pulled.Version, pulled.Path, formatSize(pulled.Size), pulled.Digest)
	printSigners(out, pulled.Signatures)
	return nil
}

// checkPulled refuses a file that is there before anything is fetched.
func checkPulled(path string, overwrite bool) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil // what else is wrong, writing finds
	case !info.Mode().IsRegular():
		return fmt.Errorf("write %s: it is no file", path)
	case !overwrite:
		return cli.WithHint(fmt.Errorf("write %s: it is there already", path), "replace it with --overwrite, or name another by -o")
	}
	return nil
}

// fullName is the name of a bundle with its hub.
func fullName(text string) (string, error) {
	if host, _ := hub.SplitHost(text); host != "" {
		return text, nil
	}
	current, err := chooseHub(nil)
	if err != nil {
		return "", err
	}
	return current + "/" + strings.ToLower(text), nil
}

func hasVersion(reference string) bool {
	return strings.ContainsAny(reference[strings.LastIndexByte(reference, '/')+1:], ":@")
}

// newest adds the newest version to a name.
func newest(command *cobra.Command, connection *hub.Connection, reference string) (string, error) {
	versions, err := connection.Versions(command.Context(), reference)
	if err != nil {
		return "", err
	}
	if len(versions) == 0 {
		return "", fmt.Errorf("bundle %s: the hub has no version of it", reference)
	}
	return reference + ":" + versions[0], nil
}
