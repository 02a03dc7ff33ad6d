package token_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
)

func TestParse(t *testing.T) {
	made := token.New()
	if !regexp.MustCompile(`^[a-z2-7]{8}\.[a-z2-7]{26}$`).MatchString(made.String()) {
		t.Errorf("a token is %q", made)
	}
	for _, test := range []struct{ text, id, failure string }{
		{made.String(), made.ID, ""},
		{" " + made.String() + "\n", made.ID, ""},
		{"chosen by me", "", "without spaces"},
		{"chosen-by-me", token.InstallID, ""},
		{"short", "", "10 to 256 characters, not 5"},
		{strings.Repeat("x", 257), "", "not 257"},
		{"", "", "not 0"},
		{"umlaut-äöüß", "", "without spaces"},
	} {
		parsed, err := token.Parse(test.text)
		if test.failure == "" && (err != nil || parsed.ID != test.id || parsed.String() != strings.TrimSpace(test.text)) {
			t.Errorf("%q: %v, %v", test.text, parsed, err)
		}
		if test.failure != "" && (err == nil || !strings.Contains(err.Error(), test.failure)) {
			t.Errorf("%q: %v, want %q", test.text, err, test.failure)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("chosen-by-me")
	f.Add(token.New().String())
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := token.Parse(text)
		if err != nil {
			return
		}
		if err := token.CheckID(parsed.ID); err != nil {
			t.Errorf("%q has the ID %q: %v", text, parsed.ID, err)
		}
		if again, err := token.Parse(parsed.String()); err != nil || again != parsed {
			t.Errorf("%q is %v and then %v, %v", text, parsed, again, err)
		}
	})
}

// TestProof wants a proof to be worth nothing with any change.
func TestProof(t *testing.T) {
	key, other := []byte("a key of the cluster"), []byte("another key")
	proof := token.Proof(key, []byte("ab"), []byte("c"))
	if !token.CheckProof(key, proof, []byte("ab"), []byte("c")) {
		t.Error("the proof is refused")
	}
	if token.CheckProof(other, proof, []byte("ab"), []byte("c")) || token.CheckProof(key, proof, []byte("a"), []byte("bc")) ||
		token.CheckProof(key, proof, []byte("ab")) || token.CheckProof(key, nil, []byte("ab"), []byte("c")) {
		t.Error("a wrong proof is good")
	}
}

func TestCheck(t *testing.T) {
	made, now := token.New(), time.Now()
	key, err := made.Key()
	if err != nil {
		t.Fatal(err)
	}
	record := &token.Record{ID: made.ID, Key: key}
	if err := record.Check(made, now); err != nil {
		t.Error(err)
	}
	if err := record.Check(token.New(), now); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("another token: %v", err)
	}
	record.Expires = now
	if record.Expired(now.Add(-time.Second)) {
		t.Error("it expires too early")
	}
	if err := record.Check(made, now); !errors.Is(err, token.ErrExpired) {
		t.Errorf("an expired token: %v", err)
	}
	if err := record.Check(token.New(), now); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("another token, which must not learn more: %v", err)
	}
}
