package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"
)

// ErrPassphrase tells that the passphrase of a private key is wrong.
var ErrPassphrase = errors.New("the passphrase is wrong")

// Encode returns the private key in PEM: PKCS #8, which openssl reads, or, if
// there is a passphrase, encrypted in OpenSSH's format, which ssh-keygen reads.
func (k PrivateKey) Encode(passphrase []byte) ([]byte, error) {
	if len(passphrase) > 0 {
		block, err := ssh.MarshalPrivateKeyWithPassphrase(k.signer, "", passphrase)
		if err != nil {
			return nil, fmt.Errorf("encrypt key: %w", err)
		}
		return pem.EncodeToMemory(block), nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParsePrivateKey reads a private key in PEM: PKCS #8, SEC 1 or OpenSSH's
// format. If it is encrypted, passphrase is asked for it.
func ParsePrivateKey(text []byte, passphrase func() ([]byte, error)) (PrivateKey, error) {
	if block, _ := pem.Decode(text); block != nil && block.Type == "ENCRYPTED PRIVATE KEY" {
		return PrivateKey{}, errors.New("is encrypted as PKCS #8; 'tele key' encrypts keys in OpenSSH's format")
	}
	parsed, err := ssh.ParseRawPrivateKey(text)
	if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
		secret, askErr := passphrase()
		if askErr != nil {
			return PrivateKey{}, askErr
		}
		parsed, err = ssh.ParseRawPrivateKeyWithPassphrase(text, secret)
		if errors.Is(err, x509.IncorrectPasswordError) {
			return PrivateKey{}, ErrPassphrase
		}
	}
	if err != nil {
		// What the parser says may quote what it read.
		return PrivateKey{}, errors.New("no private key in PEM")
	}
	if pointer, ok := parsed.(*ed25519.PrivateKey); ok {
		parsed = *pointer
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return PrivateKey{}, fmt.Errorf("a key of another kind (%T) than Ed25519 and ECDSA on P-256", parsed)
	}
	return newPrivateKey(signer)
}

// ReadPrivateKey reads the file of a private key, which nobody else may read.
func ReadPrivateKey(path string, passphrase func() ([]byte, error)) (PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("private key: %w", err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return PrivateKey{}, fmt.Errorf("private key %s: others may read it, its mode is %04o instead of 0600", path, info.Mode().Perm())
	}
	text, err := readKeyFile(path)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("private key: %w", err)
	}
	key, err := ParsePrivateKey(text, passphrase)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("private key %s: %w", path, err)
	}
	return key, nil
}
