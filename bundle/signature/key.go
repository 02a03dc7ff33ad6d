package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// Algorithm is how a key signs.
type Algorithm string

// The algorithms.
const (
	Ed25519   Algorithm = "ed25519"
	ECDSAP256 Algorithm = "ecdsa-p256"
)

// maxKeySize is the largest file of a key, in bytes.
const maxKeySize = 16 << 10

// PublicKey checks signatures. The zero value is no key.
type PublicKey struct {
	algorithm Algorithm
	key       crypto.PublicKey
	der       string
}

// newPublicKey accepts the keys that there are algorithms for.
func newPublicKey(key any) (PublicKey, error) {
	var algorithm Algorithm
	switch key := key.(type) {
	case ed25519.PublicKey:
		algorithm = Ed25519
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return PublicKey{}, fmt.Errorf("an ECDSA key on %s, and only P-256 is known", key.Curve.Params().Name)
		}
		algorithm = ECDSAP256
	default:
		return PublicKey{}, fmt.Errorf("a key of another kind (%T) than Ed25519 and ECDSA on P-256", key)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, err
	}
	return PublicKey{algorithm: algorithm, key: key, der: string(der)}, nil
}

// parseDER reads a SubjectPublicKeyInfo, of which there is one spelling for each
// key.
func parseDER(der []byte) (PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return PublicKey{}, err
	}
	key, err := newPublicKey(parsed)
	if err != nil {
		return PublicKey{}, err
	}
	if key.der != string(der) {
		return PublicKey{}, errors.New("the public key is not written as it should be")
	}
	return key, nil
}

// ParsePublicKey reads a public key in PEM ("PUBLIC KEY"), as 'tele key' and
// openssl write it.
func ParsePublicKey(text []byte) (PublicKey, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return PublicKey{}, errors.New("no public key in PEM")
	case block.Type != "PUBLIC KEY":
		return PublicKey{}, fmt.Errorf("has a %s instead of a PUBLIC KEY", block.Type)
	case len(bytes.TrimSpace(rest)) > 0:
		return PublicKey{}, errors.New("something follows the public key")
	}
	return parseDER(block.Bytes)
}

// ReadPublicKey reads the file of a public key.
func ReadPublicKey(path string) (PublicKey, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key: %w", err)
	}
	key, err := ParsePublicKey(text)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key %s: %w", path, err)
	}
	return key, nil
}

func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeySize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeySize {
		return nil, fmt.Errorf("%s has more than %d bytes, and no key has", path, maxKeySize)
	}
	return text, nil
}

// ID is "sha256:" and the digest of the key's DER in hexadecimal digits, as
// 'openssl pkey -pubin -outform DER | sha256sum' prints it.
func (k PublicKey) ID() string {
	sum := sha256.Sum256([]byte(k.der))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Algorithm is how the key signs.
func (k PublicKey) Algorithm() Algorithm { return k.algorithm }

// Equal tells whether two keys are the same.
func (k PublicKey) Equal(other PublicKey) bool { return k.der == other.der }

// Encode returns the key in PEM.
func (k PublicKey) Encode() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte(k.der)})
}

// verifies tells whether a signature of a message is of the key.
func (k PublicKey) verifies(message, signature []byte) bool {
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(key, sum[:], signature)
	}
	return false
}

// PrivateKey signs.
type PrivateKey struct {
	signer crypto.Signer
	public PublicKey
}

// Generate makes a new key.
func Generate(algorithm Algorithm) (PrivateKey, error) {
	var signer crypto.Signer
	var err error
	switch algorithm {
	case Ed25519:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case ECDSAP256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return PrivateKey{}, fmt.Errorf("algorithm %q is not %s or %s", algorithm, Ed25519, ECDSAP256)
	}
	if err != nil {
		return PrivateKey{}, fmt.Errorf("make key: %w", err)
	}
	return newPrivateKey(signer)
}

func newPrivateKey(signer crypto.Signer) (PrivateKey, error) {
	public, err := newPublicKey(signer.Public())
	if err != nil {
		return PrivateKey{}, err
	}
	return PrivateKey{signer: signer, public: public}, nil
}

// Public is the key that checks what this one signs.
func (k PrivateKey) Public() PublicKey { return k.public }

// Sign signs a message. Equal messages give equal signatures.
func (k PrivateKey) Sign(message []byte) (Signature, error) {
	digest, options := message, crypto.SignerOpts(crypto.Hash(0))
	if k.public.algorithm == ECDSAP256 {
		sum := sha256.Sum256(message)
		digest, options = sum[:], crypto.SHA256
	}
	// Without a source of random numbers, ECDSA takes those of RFC 6979.
	value, err := k.signer.Sign(nil, digest, options)
	if err != nil {
		return Signature{}, fmt.Errorf("sign with key %s: %w", k.public.ID(), err)
	}
	return Signature{Key: k.public, value: value}, nil
}
