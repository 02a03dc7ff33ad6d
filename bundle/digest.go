package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// errDigest tells that contents are not what their digest says.
var errDigest = errors.New("the contents do not match the digest")

// DamagedError tells that what a source has for a blob is not what its digest
// says. Errors of Write and of reading a bundle wrap it, with the name of the
// blob around it; who has another source of the blob may replace it and try
// again.
type DamagedError struct {
	// Digest is what the contents should have.
	Digest v1.Hash
	// Err says what is wrong with them.
	Err error
}

// Error says what is wrong with the contents.
func (e *DamagedError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *DamagedError) Unwrap() error { return e.Err }

func hashOf(content []byte) v1.Hash {
	sum := sha256.Sum256(content)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

func sumOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}
