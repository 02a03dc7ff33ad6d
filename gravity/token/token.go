// Package token is about the tokens by which machines join a cluster. A token is
// shared by the cluster and whoever adds nodes: by a proof made with its key, a
// master shows a machine that comes with the token which authority to trust,
// before the machine shows the token itself.
package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// InstallID is the ID of tokens that people chose themselves, which have none.
const InstallID = "install"

// minLength and maxLength bound tokens that people choose, in bytes.
const (
	minLength = 10
	maxLength = 256
)

// Token is a token by which nodes join.
type Token struct {
	// ID tells tokens apart. It is no secret.
	ID string

	text string
}

var (
	madePattern = regexp.MustCompile(`^([a-z0-9]{8})\.[a-z2-7]{26}$`)
	idPattern   = regexp.MustCompile(`^[a-z0-9]{1,32}$`)
)

// New makes a token: an ID, a dot and 130 random bits.
func New() Token {
	text := strings.ToLower(rand.Text()[:8] + "." + rand.Text())
	return Token{ID: text[:8], text: text}
}

// Parse reads a token, which was made by New or chosen by somebody. An error does
// not show it.
func Parse(text string) (Token, error) {
	text = strings.TrimSpace(text)
	if match := madePattern.FindStringSubmatch(text); match != nil {
		return Token{ID: match[1], text: text}, nil
	}
	if len(text) < minLength || len(text) > maxLength {
		return Token{}, fmt.Errorf("a join token has %d to %d characters, not %d", minLength, maxLength, len(text))
	}
	for _, char := range []byte(text) {
		if char <= ' ' || char > '~' {
			return Token{}, errors.New("a join token has letters, digits and signs, without spaces")
		}
	}
	return Token{ID: InstallID, text: text}, nil
}

// String is the token itself: a secret.
func (t Token) String() string { return t.text }

// CheckID refuses what is not the ID of a token.
func CheckID(id string) error {
	if !idPattern.MatchString(id) {
		return errors.New("it is not the ID of a token")
	}
	return nil
}

// Key is what the cluster keeps of the token. Who has only the key can make
// proofs, and cannot join. It takes some time and 16 MB, since people choose
// tokens that can be guessed.
func (t Token) Key() ([]byte, error) {
	return scrypt.Key([]byte(t.text), []byte("gravity join token "+t.ID), 1<<14, 8, 1, sha256.Size)
}

// Proof shows that its maker has a key, and vouches for the parts.
func Proof(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		_ = binary.Write(mac, binary.BigEndian, uint64(len(part)))
		_, _ = mac.Write(part)
	}
	return mac.Sum(nil)
}

// CheckProof tells whether a proof was made with the key for these parts.
func CheckProof(key, proof []byte, parts ...[]byte) bool {
	return hmac.Equal(proof, Proof(key, parts...))
}
