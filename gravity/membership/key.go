package membership

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// DeriveKey makes the cluster's key from the key of gravity's authority, which
// every master has: a PEM file.
func DeriveKey(authorityKey string) ([]byte, error) {
	content, err := os.ReadFile(authorityKey)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s has no key", authorityKey)
	}
	return hkdf.Key(sha256.New, block.Bytes, nil, "gravity membership", KeySize)
}

// EnsureKey reads a key from a file or, if it is not there, asks for it and keeps
// it there.
func EnsureKey(file string, ask func() ([]byte, error)) ([]byte, error) {
	key, err := os.ReadFile(file)
	if err == nil && len(key) == KeySize {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if key, err = ask(); err != nil {
		return nil, err
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key has %d bytes, want %d", len(key), KeySize)
	}
	return key, paths.WriteFile(file, key, 0o600)
}
