package membership

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// DeriveKey makes the cluster's key from the key of gravity's authority, which
// every master has: a PEM file. In each epoch, which begins when a node is removed,
// it is another.
func DeriveKey(authorityKey, epoch string) ([]byte, error) {
	content, err := os.ReadFile(authorityKey)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s has no key", authorityKey)
	}
	return hkdf.Key(sha256.New, block.Bytes, []byte(epoch), "gravity membership", KeySize)
}

// EnsureKey asks for a key and keeps it in a file. If nobody answers, the one in the
// file is it: there may have been none since.
func EnsureKey(file string, ask func() ([]byte, error)) ([]byte, error) {
	key, err := ask()
	if err != nil {
		if known, readErr := os.ReadFile(file); readErr == nil && len(known) == KeySize {
			return known, nil
		}
		return nil, err
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key has %d bytes, want %d", len(key), KeySize)
	}
	return key, paths.WriteFile(file, key, 0o600)
}
