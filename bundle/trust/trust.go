// Package trust decides whose bundles are accepted, before anything of them is
// executed. What it decides by is a file on the machine, or keys that a user
// names; nothing in a bundle has a say.
//
// The file is /etc/gravity/trust.yaml:
//
//	require: true        # refuse bundles that no trusted key signed
//	keys:                # files of public keys, or folders of them (*.pem, *.pub)
//	  - trusted-keys     # relative to the file
//
// A file that cannot be read, and keys that cannot, refuse everything: a mistake
// must not switch the check off.
package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// DefaultPath is where a machine says whose bundles it accepts.
const DefaultPath = "/etc/gravity/trust.yaml"

const (
	// maxFileSize is the largest configuration, in bytes.
	maxFileSize = 64 << 10
	// maxKeys is how many keys may be trusted.
	maxKeys = 1000
)

// Key is a trusted key with the file that it came from.
type Key struct {
	signature.PublicKey
	// Name is the path of the file.
	Name string
}

// Policy says whose bundles are accepted. The zero value accepts all.
type Policy struct {
	// Require refuses bundles that none of Keys signed.
	Require bool
	// Keys are trusted.
	Keys []Key
	// origin is what required it, for errors.
	origin string
}

// ErrUntrusted tells that a bundle is intact, but signed by nobody that is
// trusted.
var ErrUntrusted = errors.New("no trusted key signed it")

// document is the file.
type document struct {
	Require bool     `yaml:"require"`
	Keys    []string `yaml:"keys"`
}

// Read reads a policy. A file that does not exist is the zero value.
func Read(path string) (Policy, error) {
	policy, err := read(path)
	if err != nil {
		return Policy{}, cli.WithHint(fmt.Errorf("trusted keys: %w", err), "mend %s: it says whose bundles are accepted here", path)
	}
	return policy, nil
}

func read(path string) (Policy, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Policy{}, nil
	}
	if err != nil {
		return Policy{}, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return Policy{}, err
	}
	if len(content) > maxFileSize {
		return Policy{}, fmt.Errorf("%s: more than %d bytes", path, maxFileSize)
	}
	parsed, err := parse(content)
	if err != nil {
		return Policy{}, fmt.Errorf("%s: %w", path, err)
	}
	policy := Policy{Require: parsed.Require, origin: path}
	for _, name := range parsed.Keys {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		if err := policy.Add(name); err != nil {
			return Policy{}, err
		}
	}
	if policy.Require && len(policy.Keys) == 0 {
		return Policy{}, fmt.Errorf("%s: signatures are required, and there are no keys", path)
	}
	return policy, nil
}

// parse reads the file strictly: what is misspelled would be missing.
func parse(content []byte) (document, error) {
	var parsed document
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&parsed); err != nil && !errors.Is(err, io.EOF) {
		return document{}, err
	}
	if err := decoder.Decode(new(document)); !errors.Is(err, io.EOF) {
		return document{}, errors.New("has more than one document")
	}
	return parsed, nil
}

// Trusting is the policy that requires a signature by one of some keys, given by
// files of public keys or folders of them.
func Trusting(paths ...string) (Policy, error) {
	policy := Policy{Require: true, origin: "--trusted-key"}
	for _, path := range paths {
		if err := policy.Add(path); err != nil {
			return Policy{}, fmt.Errorf("trusted keys: %w", err)
		}
	}
	return policy, nil
}

// TrustingKeys is the policy that requires a signature by one of some keys, given
// in PEM. origin is what names them, for errors.
func TrustingKeys(origin string, keys ...[]byte) (Policy, error) {
	policy := Policy{Require: true, origin: origin}
	if len(keys) > maxKeys {
		return Policy{}, fmt.Errorf("%s: more than %d keys", origin, maxKeys)
	}
	for i, text := range keys {
		name := fmt.Sprintf("%s[%d]", origin, i)
		key, err := signature.ParsePublicKey(text)
		if err != nil {
			return Policy{}, fmt.Errorf("%s: %w", name, err)
		}
		policy.Keys = append(policy.Keys, Key{PublicKey: key, Name: name})
	}
	return policy, nil
}

// Add trusts the key of a file, or those of a folder's files *.pem and *.pub.
func (p *Policy) Add(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	names := []string{path}
	if info.IsDir() {
		names = nil
		entries, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if extension := filepath.Ext(entry.Name()); extension == ".pem" || extension == ".pub" {
				names = append(names, filepath.Join(path, entry.Name()))
			}
		}
	}
	for _, name := range names {
		if len(p.Keys) == maxKeys {
			return fmt.Errorf("%s: more than %d keys", path, maxKeys)
		}
		key, err := signature.ReadPublicKey(name)
		if err != nil {
			return err
		}
		p.Keys = append(p.Keys, Key{PublicKey: key, Name: name})
	}
	return nil
}

// Signers are the trusted keys that signed.
func (p Policy) Signers(set signature.Set) []Key {
	var signers []Key
	for _, key := range p.Keys {
		if set.By(key.PublicKey) {
			signers = append(signers, key)
		}
	}
	return signers
}

// Check refuses a bundle that must be signed by a trusted key and is not. It
// wraps ErrUntrusted, and names who did sign.
func (p Policy) Check(b *bundle.Bundle) error { return p.CheckSignatures(b.Signatures()) }

// CheckSignatures is Check for the signatures of a bundle that is elsewhere.
func (p Policy) CheckSignatures(set signature.Set) error {
	if !p.Require || len(p.Signers(set)) > 0 {
		return nil
	}
	signed := "it has no signature"
	if len(set) > 0 {
		signed = "it is signed by " + Names(set)
	}
	return cli.WithHint(fmt.Errorf("bundle: %w: %s, and %s requires one of %d", ErrUntrusted, signed, p.origin, len(p.Keys)),
		"ask for the bundle of its maker, or for the maker's public key; 'tele verify --key' shows who signed what")
}

// Names lists the IDs of the keys of signatures.
func Names(set signature.Set) string {
	var names []string
	for _, one := range set {
		names = append(names, one.Key.ID())
	}
	return strings.Join(names, ", ")
}

// SignedBy refuses a bundle that does not have the signatures of all given public
// keys, in PEM.
func SignedBy(b *bundle.Bundle, keys ...[]byte) error {
	for i, text := range keys {
		key, err := signature.ParsePublicKey(text)
		if err != nil {
			return fmt.Errorf("public key %d: %w", i+1, err)
		}
		if err := RequireKey(b.Signatures(), key); err != nil {
			return err
		}
	}
	return nil
}

// RequireKey refuses signatures among which that of a key is not.
func RequireKey(set signature.Set, key signature.PublicKey) error {
	switch {
	case set.By(key):
		return nil
	case len(set) == 0:
		return fmt.Errorf("bundle: %w: it has no signature, and that of key %s is required", ErrUntrusted, key.ID())
	}
	return fmt.Errorf("bundle: %w: it is signed by %s, and the signature of key %s is required", ErrUntrusted, Names(set), key.ID())
}
