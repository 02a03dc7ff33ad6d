package signature_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
)

// generate makes a key.
func generate(t testing.TB, algorithm signature.Algorithm) signature.PrivateKey {
	t.Helper()
	key, err := signature.Generate(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes the set of signatures of a message by some keys.
func sign(t testing.TB, message []byte, keys ...signature.PrivateKey) signature.Set {
	t.Helper()
	var set signature.Set
	for _, key := range keys {
		one, err := key.Sign(message)
		if err == nil {
			set, err = set.With(one)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return set
}

var message = []byte(`{"schemaVersion":2}` + "\n")

func TestSet(t *testing.T) {
	first, second, other := generate(t, signature.Ed25519), generate(t, signature.ECDSAP256), generate(t, signature.Ed25519)
	set := sign(t, message, first, second)
	content := set.Encode()
	if again := sign(t, message, second, first, second).Encode(); !bytes.Equal(content, again) {
		t.Error("equal signers of equal messages give other files")
	}
	parsed, err := signature.Parse(content, message)
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed) != 2 || !parsed.By(first.Public()) || !parsed.By(second.Public()) || parsed.By(other.Public()) {
		t.Errorf("signers %v", parsed)
	}
	if _, err := signature.Parse(content, append(slices.Clone(message), ' ')); err == nil {
		t.Error("the signatures are right for another message")
	}
	if (signature.Set{}).Encode() != nil {
		t.Error("no signatures make a file")
	}
}

func TestEveryBitCounts(t *testing.T) {
	content := sign(t, message, generate(t, signature.Ed25519), generate(t, signature.ECDSAP256)).Encode()
	for i := range content {
		for bit := range 8 {
			damaged := slices.Clone(content)
			damaged[i] ^= 1 << bit
			if _, err := signature.Parse(damaged, message); err == nil {
				t.Fatalf("bit %d of byte %d may change", bit, i)
			}
		}
		// Whoever has the file may remove a whole signature.
		cut, err := signature.Parse(content[:i], message)
		if err == nil && (len(cut) != 1 || content[i-1] != '\n') {
			t.Fatalf("may be cut at byte %d", i)
		}
	}
}

func TestRefused(t *testing.T) {
	lines := strings.SplitAfter(string(sign(t, message, generate(t, signature.Ed25519), generate(t, signature.Ed25519)).Encode()), "\n")
	many := lines[0]
	for range signature.MaxSignatures + 1 {
		many += lines[1]
	}
	for name, content := range map[string]string{
		"empty":         "",
		"title only":    lines[0],
		"another title": "gravity bundle signatures 2\n" + lines[1],
		"twice":         lines[0] + lines[1] + lines[1],
		"not sorted":    lines[0] + lines[2] + lines[1],
		"spaces":        lines[0] + strings.Replace(lines[1], " ", "  ", 1),
		"carriage":      lines[0] + strings.Replace(lines[1], "\n", "\r\n", 1),
		"trailing":      lines[0] + lines[1] + "\n",
		"large":         lines[0] + strings.Repeat("a", signature.MaxSize),
		"many":          many,
	} {
		if _, err := signature.Parse([]byte(content), message); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestConfusion takes a signature of one key for that of another one of another
// kind: nothing but the key says how it is checked.
func TestConfusion(t *testing.T) {
	one := strings.Fields(strings.Split(string(sign(t, message, generate(t, signature.Ed25519)).Encode()), "\n")[1])
	two := strings.Fields(strings.Split(string(sign(t, message, generate(t, signature.ECDSAP256)).Encode()), "\n")[1])
	for _, line := range []string{one[0] + " " + two[1], two[0] + " " + one[1], one[0] + " ", two[0] + " "} {
		if _, err := signature.Parse([]byte("gravity bundle signatures 1\n"+line+"\n"), message); err == nil {
			t.Errorf("accepted: %s", line)
		}
	}
}

// TestDeterministicECDSA compares with the vector of RFC 6979, A.2.5.
func TestDeterministicECDSA(t *testing.T) {
	secret, err := hex.DecodeString("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	key, err := signature.ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil)
	if err != nil {
		t.Fatal(err)
	}
	one, err := key.Sign([]byte("sample"))
	if err != nil {
		t.Fatal(err)
	}
	var found struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(one.Value(), &found); err != nil {
		t.Fatal(err)
	}
	const r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
	const s = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
	if found.R.Text(16) != r || found.S.Text(16) != s {
		t.Errorf("r %x, s %x", found.R, found.S)
	}
}

func TestPrivateKeys(t *testing.T) {
	for _, algorithm := range []signature.Algorithm{signature.Ed25519, signature.ECDSAP256} {
		for _, passphrase := range []string{"", "open sesame"} {
			key := generate(t, algorithm)
			text, err := key.Encode([]byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			read, err := signature.ReadPrivateKey(path, func() ([]byte, error) { asked++; return []byte(passphrase), nil })
			if err != nil {
				t.Fatal(err)
			}
			if !read.Public().Equal(key.Public()) || (asked > 0) != (passphrase != "") {
				t.Errorf("%s: another key, or asked %d times", algorithm, asked)
			}
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
			if _, err := signature.ReadPrivateKey(path, nil); err == nil {
				t.Error("a key that others may read is accepted")
			}
			if passphrase == "" {
				continue
			}
			_, err = signature.ParsePrivateKey(text, func() ([]byte, error) { return []byte("wrong"), nil })
			if !errors.Is(err, signature.ErrPassphrase) {
				t.Errorf("%s: wrong passphrase: %v", algorithm, err)
			}
		}
	}
}

func TestPublicKeys(t *testing.T) {
	key := generate(t, signature.ECDSAP256).Public()
	read, err := signature.ParsePublicKey(key.Encode())
	if err != nil || !read.Equal(key) || read.ID() != key.ID() {
		t.Errorf("%v", err)
	}
	private, err := generate(t, signature.Ed25519).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"private": private, "nothing": nil, "two": append(key.Encode(), key.Encode()...),
	} {
		if _, err := signature.ParsePublicKey(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzParse reads whatever comes; what is accepted has one spelling.
func FuzzParse(f *testing.F) {
	f.Add(sign(f, message, generate(f, signature.Ed25519), generate(f, signature.ECDSAP256)).Encode())
	f.Add([]byte("gravity bundle signatures 1\nMCowBQYDK2VwAyEA= AA==\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		set, err := signature.Parse(content, message)
		if err == nil && !bytes.Equal(set.Encode(), content) {
			t.Errorf("%q is accepted, and written as %q", content, set.Encode())
		}
	})
}

// FuzzKeys reads keys of whatever comes.
func FuzzKeys(f *testing.F) {
	for _, algorithm := range []signature.Algorithm{signature.Ed25519, signature.ECDSAP256} {
		key := generate(f, algorithm)
		text, err := key.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(key.Public().Encode())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := signature.ParsePublicKey(text); err == nil {
			if again, err := signature.ParsePublicKey(key.Encode()); err != nil || !again.Equal(key) {
				t.Errorf("a key is not what it is written as: %v", err)
			}
		}
		if key, err := signature.ParsePrivateKey(text, func() ([]byte, error) { return nil, errors.New("none") }); err == nil {
			if _, err := key.Sign(message); err != nil {
				t.Error(err)
			}
		}
	})
}
