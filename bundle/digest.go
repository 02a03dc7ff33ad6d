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

func hashOf(content []byte) v1.Hash {
	sum := sha256.Sum256(content)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

func sumOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}
