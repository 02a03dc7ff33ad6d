package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// maxSecretSize is the longest passphrase or password, in bytes.
const maxSecretSize = 64 << 10

// readSecretFile reads a secret from a file; a newline at its end is not part of
// it. "-" is standard input.
func readSecretFile(path string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	content, err := io.ReadAll(io.LimitReader(from, maxSecretSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(content) > maxSecretSize {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxSecretSize)
	}
	content = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	if len(content) == 0 {
		return nil, fmt.Errorf("%s has no secret in it", path)
	}
	return content, nil
}

// askSecret asks a person. Where there is none, the error has a hint.
func askSecret(command *cobra.Command, question, hint string) ([]byte, error) {
	input, ok := command.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(input.Fd())) {
		return nil, cli.WithHint(errors.New("there is no terminal to ask for the "+question), "%s", hint)
	}
	fmt.Fprintf(command.ErrOrStderr(), "%s: ", question)
	secret, err := term.ReadPassword(int(input.Fd()))
	fmt.Fprintln(command.ErrOrStderr())
	return secret, err
}

// signFlags name the keys that sign.
type signFlags struct {
	keys           []string
	passphraseFile string
}

func (f *signFlags) add(command *cobra.Command) {
	command.Flags().StringArrayVar(&f.keys, "sign-key", nil, "sign with the private key in this `FILE`; repeatable")
	command.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "`FILE` with the passphrase of encrypted keys, - for standard input\n(default: it is asked for)")
}

// read reads the keys. Each file is read once, and the passphrase, too.
func (f *signFlags) read(command *cobra.Command) ([]signature.PrivateKey, error) {
	var shared []byte
	var keys []signature.PrivateKey
	for _, path := range f.keys {
		key, err := signature.ReadPrivateKey(path, func() ([]byte, error) {
			if f.passphraseFile == "" {
				return askSecret(command, "passphrase of "+path, "name a file by --passphrase-file")
			}
			var err error
			if shared == nil {
				shared, err = readSecretFile(f.passphraseFile, command.InOrStdin())
			}
			return shared, err
		})
		if errors.Is(err, os.ErrNotExist) {
			return nil, cli.WithHint(err, "'tele key %s' makes a key", path)
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
