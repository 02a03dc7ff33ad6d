package signature

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// MaxSize is the largest file of signatures, in bytes.
	MaxSize = 64 << 10
	// MaxSignatures is how many it may have.
	MaxSignatures = 32

	title = "gravity bundle signatures 1"
)

// Signature is one that is right: only Sign and Parse make them.
type Signature struct {
	// Key is the signer's.
	Key   PublicKey
	value []byte
}

// Value is the signature as openssl has it: 64 bytes of Ed25519, or r and s in
// DER.
func (s Signature) Value() []byte { return slices.Clone(s.value) }

// Set are the signatures of one message: sorted, one for each key.
type Set []Signature

// encoding is base64 of which every text has one spelling only.
var encoding = base64.StdEncoding.Strict()

// Encode returns the file of the signatures; none give nil.
func (s Set) Encode() []byte {
	if len(s) == 0 {
		return nil
	}
	lines := []string{title}
	for _, one := range s {
		lines = append(lines, encoding.EncodeToString([]byte(one.Key.der))+" "+encoding.EncodeToString(one.value))
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// With returns the set with one more signature, in place of one of its key.
func (s Set) With(added Signature) (Set, error) {
	set := slices.DeleteFunc(slices.Clone(s), func(one Signature) bool { return one.Key.Equal(added.Key) })
	if len(set) == MaxSignatures {
		return nil, fmt.Errorf("there are %d signatures already, and no more are possible", MaxSignatures)
	}
	set = append(set, added)
	slices.SortFunc(set, compare)
	return set, nil
}

func compare(a, b Signature) int { return strings.Compare(a.Key.der, b.Key.der) }

// By tells whether a key signed.
func (s Set) By(key PublicKey) bool {
	return slices.ContainsFunc(s, func(one Signature) bool { return one.Key.Equal(key) })
}

// Parse reads a file of signatures of a message and checks each with its own
// key. Errors name the line.
func Parse(content, message []byte) (Set, error) {
	if len(content) > MaxSize {
		return nil, fmt.Errorf("more than %d bytes", MaxSize)
	}
	lines := strings.Split(string(content), "\n")
	if lines[0] != title {
		return nil, fmt.Errorf("not signatures of a bundle: the first line is not %q", title)
	}
	if len(lines) < 3 || lines[len(lines)-1] != "" {
		return nil, errors.New("the list of signatures is cut off")
	}
	lines = lines[1 : len(lines)-1]
	if len(lines) > MaxSignatures {
		return nil, fmt.Errorf("more than %d signatures", MaxSignatures)
	}
	var set Set
	for i, line := range lines {
		one, err := parseLine(line, message)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		if i > 0 && compare(set[i-1], one) >= 0 {
			return nil, fmt.Errorf("line %d: the signatures are not sorted", i+2)
		}
		set = append(set, one)
	}
	return set, nil
}

func parseLine(line string, message []byte) (Signature, error) {
	first, second, ok := strings.Cut(line, " ")
	if !ok {
		return Signature{}, errors.New("is not a public key and a signature")
	}
	der, err := encoding.DecodeString(first)
	if err != nil || encoding.EncodeToString(der) != first {
		return Signature{}, errors.New("the public key is not base64")
	}
	key, err := parseDER(der)
	if err != nil {
		return Signature{}, err
	}
	value, err := encoding.DecodeString(second)
	if err != nil || encoding.EncodeToString(value) != second {
		return Signature{}, errors.New("the signature is not base64")
	}
	if !key.verifies(message, value) {
		return Signature{}, fmt.Errorf("it is not the signature of key %s", key.ID())
	}
	return Signature{Key: key, value: value}, nil
}
