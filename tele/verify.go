package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// maxProblems is how many problems are shown as text.
const maxProblems = 50

// verifyFlags are the flags of verify.
type verifyFlags struct {
	format cli.Format
	quiet  bool
	keys   []string
	bases  []string
}

func newVerifyCommand() *cobra.Command {
	var flags verifyFlags
	command := &cobra.Command{
		Use:   "verify BUNDLE",
		Short: "Check that a bundle is complete and unchanged",
		Long: `Check that a bundle is complete and that nothing in it has changed.

BUNDLE is the tar of a bundle, or the folder that it was extracted to. All of it
is read: every file, image and layer is compared with its digest, and everything
that the application and its Kubernetes need must be there. Each problem is an
error that names the entry and the image that it belongs to.

What a bundle that was built with --base lacks is checked in its base, if that is
named; otherwise the result says what could not be checked.

The digest that is printed identifies the bundle. That it is the one that its
maker made can be seen by comparing it with the maker's, or by the maker's
signature: with --key, and the maker's public key. Each key that is named must
have signed. Without --key, signers are shown and not checked.`,
		Example: `  tele verify shop-1.2.3.tar
  tele verify shop-1.2.3.tar --key=release.pub
  tele verify shop-1.2.4.tar --base shop-1.2.3.tar
  test "$(tele verify --quiet shop-1.2.3.tar)" = "$expected"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeBundles(1),
		RunE: func(command *cobra.Command, args []string) error {
			return runVerify(command.Context(), command, flags, args[0])
		},
	}
	command.Flags().BoolVarP(&flags.quiet, "quiet", "q", false, "print only the digest of the bundle, and no progress")
	command.Flags().StringArrayVar(&flags.keys, "key", nil, "the public key in this `FILE` must have signed the bundle; repeatable")
	command.Flags().StringArrayVar(&flags.bases, "base", nil, "the `BUNDLE` that this one was built upon; repeatable")
	cli.AddOutputFlag(command, &flags.format)
	return command
}

// readRequiredKeys reads the public keys of --key.
func readRequiredKeys(paths []string) ([]requiredKey, error) {
	var keys []requiredKey
	for _, path := range paths {
		key, err := signature.ReadPublicKey(path)
		if err != nil {
			return nil, cli.WithHint(err, "--key takes a file with the public key, as 'tele key' printed it")
		}
		keys = append(keys, requiredKey{key, path})
	}
	return keys, nil
}

// requireKeys refuses signatures that lack one of a key.
func requireKeys(set signature.Set, keys []requiredKey) error {
	for _, key := range keys {
		if err := trust.RequireKey(set, key.PublicKey); err != nil {
			return cli.WithHint(fmt.Errorf("--key %s: %w", key.file, err), "do not run anything of it; ask its maker for the bundle, or for the right key")
		}
	}
	return nil
}

func runVerify(ctx context.Context, command *cobra.Command, flags verifyFlags, path string) error {
	keys, err := readRequiredKeys(flags.keys)
	if err != nil {
		return err
	}
	opened, err := openBundle(path)
	if err != nil {
		return err
	}
	defer opened.Close()
	if err := requireKeys(opened.Signatures(), keys); err != nil {
		return err
	}
	bases, err := useBases(opened, flags.bases)
	defer closeBundles(bases)
	if err != nil {
		return err
	}
	shown := newProgress(command.ErrOrStderr(), flags.format, flags.quiet, "verify")
	found, err := opened.Verify(ctx, bundle.Options{Progress: shown.update})
	shown.end()
	if err != nil {
		return err
	}
	verification := newVerification(opened, found)
	verification.Signatures = reportSignatures(opened.Signatures(), keys)
	if err := printVerification(command.OutOrStdout(), flags, verification); err != nil {
		return err
	}
	if verification.Intact {
		return warnUnchecked(command.ErrOrStderr(), opened, verification)
	}
	if flags.format == cli.FormatText {
		printProblems(command.ErrOrStderr(), verification.Problems)
	}
	return cli.WithHint(fmt.Errorf("bundle %s: %s found", path, count(len(verification.Problems), "problem")),
		"copy or download the bundle again, and compare its length and checksum with the original's")
}

// newVerification is what Verify found, as it is printed.
func newVerification(opened *bundle.Bundle, found *bundle.Report) *report.Verification {
	index := opened.Index()
	verification := &report.Verification{
		Name: index.Name, Version: index.Version, Digest: found.Digest.String(),
		Intact:  len(found.Problems) == 0,
		Entries: found.Entries, Blobs: found.Blobs, Bytes: found.Bytes,
		Lacking: found.Lacking, LackingBytes: found.LackingBytes, Unchecked: found.Unchecked,
		Problems: []report.Problem{},
	}
	for _, problem := range found.Problems {
		verification.Problems = append(verification.Problems, report.Problem{
			Entry: problem.Entry, Owner: problem.Owner, Message: problem.Err.Error(),
		})
	}
	return verification
}

// printVerification writes the result. Text has none for a bundle with
// problems: errors tell it.
func printVerification(out io.Writer, flags verifyFlags, v *report.Verification) error {
	var err error
	switch {
	case flags.format == cli.FormatJSON:
		err = cli.PrintJSON(out, v)
	case !v.Intact:
	case flags.quiet:
		_, err = fmt.Fprintln(out, v.Digest)
	default:
		_, err = fmt.Fprintf(out, "%s %s is intact: %s and %s, %s\n%s\n", v.Name, v.Version,
			countEntries(v.Entries), count(v.Blobs, "blob"), formatSize(v.Bytes), v.Digest)
		printSigners(out, v.Signatures)
	}
	return err
}

// printSigners tells who signed, and whose key was given.
func printSigners(out io.Writer, signatures []report.Signature) {
	given := slices.ContainsFunc(signatures, func(s report.Signature) bool { return s.File != "" })
	for _, one := range signatures {
		whose := "not checked: --key was not given"
		switch {
		case one.File != "":
			whose = one.File
		case given:
			whose = "no key of --key"
		}
		fmt.Fprintf(out, "signed by %s (%s)\n", one.Key, whose)
	}
}

// useBases opens the bundles that a bundle was built upon. The caller closes them.
func useBases(opened *bundle.Bundle, paths []string) (bases []*bundle.Bundle, err error) {
	for _, path := range paths {
		base, err := openBundle(path)
		if err != nil {
			return bases, err
		}
		bases = append(bases, base)
	}
	if len(bases) == 0 {
		return nil, nil
	}
	if err := opened.UseBases(bases...); err != nil {
		return bases, fmt.Errorf("--base: %w", err)
	}
	return bases, nil
}

func closeBundles(bundles []*bundle.Bundle) {
	for _, one := range bundles {
		_ = one.Close() // it was read only
	}
}

// warnUnchecked says what could not be checked.
func warnUnchecked(out io.Writer, opened *bundle.Bundle, v *report.Verification) error {
	if !v.Unchecked {
		return nil
	}
	bases, err := opened.Bases()
	if err != nil {
		return err
	}
	for _, base := range bases {
		fmt.Fprintf(out, "warning: not checked: %s of %s, %s (%s); name it by --base\n",
			count(len(base.Blobs), "blob"), formatSize(base.Size()), base, base.Digest)
	}
	return nil
}

func countEntries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// printProblems writes an error for each problem; the command's own error comes
// after them.
func printProblems(out io.Writer, problems []report.Problem) {
	for i, problem := range problems {
		if i == maxProblems {
			fmt.Fprintf(out, "error: and %d more, which -o json lists\n", len(problems)-i)
			return
		}
		name := "end of the file"
		if problem.Entry != "" {
			name = "entry " + problem.Entry
		}
		if problem.Owner != "" {
			name += " of " + problem.Owner
		}
		fmt.Fprintf(out, "error: %s: %s\n", name, problem.Message)
	}
}
