package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// keyFlags are the flags of key.
type keyFlags struct {
	algorithm, passphraseFile string
	encrypt, public           bool
	format                    cli.Format
}

func newKeyCommand() *cobra.Command {
	var flags keyFlags
	command := &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key that signs bundles",
		Long: `Make a key that signs bundles: the private key is written to FILE, which nobody
else may read, and the public key is printed. Give that to those who receive
bundles, by another way than the bundles.

Both are in PEM. A private key is as openssl writes it or, with a passphrase, as
ssh-keygen does; keys that those made sign as well.`,
		Example: `  tele key release.key > release.pub
  tele key release.key --public
  tele build ./shop --sign-key=release.key`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return runKey(command, &flags, args[0]) },
	}
	set := command.Flags()
	set.StringVar(&flags.algorithm, "algorithm", string(signature.Ed25519), string(signature.Ed25519)+" or "+string(signature.ECDSAP256))
	set.BoolVar(&flags.encrypt, "encrypt", false, "ask for a passphrase to encrypt the private key with")
	set.StringVar(&flags.passphraseFile, "passphrase-file", "", "`FILE` with that passphrase, - for standard input")
	set.BoolVar(&flags.public, "public", false, "print the public key of a private key that exists")
	cli.AddOutputFlag(command, &flags.format)
	command.MarkFlagsMutuallyExclusive("public", "encrypt")
	return command
}

func runKey(command *cobra.Command, flags *keyFlags, path string) error {
	var key signature.PrivateKey
	var err error
	if flags.public {
		sign := signFlags{keys: []string{path}, passphraseFile: flags.passphraseFile}
		keys, err := sign.read(command)
		if err != nil {
			return err
		}
		key = keys[0]
	} else if key, err = makeKey(command, flags, path); err != nil {
		return err
	}
	public := key.Public()
	if flags.format == cli.FormatJSON {
		return cli.PrintJSON(command.OutOrStdout(), report.Key{
			ID: public.ID(), Algorithm: string(public.Algorithm()), PublicKey: string(public.Encode()), Path: path,
		})
	}
	fmt.Fprintf(command.ErrOrStderr(), "Key %s (%s)\n", public.ID(), public.Algorithm())
	_, err = command.OutOrStdout().Write(public.Encode())
	return err
}

func makeKey(command *cobra.Command, flags *keyFlags, path string) (signature.PrivateKey, error) {
	algorithm := signature.Algorithm(flags.algorithm)
	if algorithm != signature.Ed25519 && algorithm != signature.ECDSAP256 {
		return signature.PrivateKey{}, cli.Usagef("--algorithm %s: write %s or %s", flags.algorithm, signature.Ed25519, signature.ECDSAP256)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return signature.PrivateKey{}, cli.WithHint(fmt.Errorf("write %s: it is there already", path),
			"name another file, or print its public key with --public")
	}
	passphrase, err := flags.passphrase(command)
	if err != nil {
		return signature.PrivateKey{}, err
	}
	key, err := signature.Generate(algorithm)
	if err != nil {
		return signature.PrivateKey{}, err
	}
	text, err := key.Encode(passphrase)
	if err != nil {
		return signature.PrivateKey{}, err
	}
	return key, writeNew(path, text)
}

// writeNew writes a secret to a file that is not there. Another one that has come
// meanwhile is kept.
func writeNew(path string, content []byte) error {
	file, err := renameio.NewPendingFile(path, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = file.Cleanup() }() // removes the temporary file, which has a second name then
	if _, err = file.Write(content); err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Link(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// passphrase is what a new key is encrypted with; nothing if nobody asked for it.
func (f *keyFlags) passphrase(command *cobra.Command) ([]byte, error) {
	if f.passphraseFile != "" {
		return readSecretFile(f.passphraseFile, command.InOrStdin())
	}
	if !f.encrypt {
		return nil, nil
	}
	first, err := askSecret(command, "new passphrase", "name a file by --passphrase-file")
	if err != nil {
		return nil, err
	}
	second, err := askSecret(command, "the same again", "name a file by --passphrase-file")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 || !bytes.Equal(first, second) {
		return nil, errors.New("the passphrases are empty, or not the same")
	}
	return first, nil
}
