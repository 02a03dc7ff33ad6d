package trust_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
)

func generate(t testing.TB) signature.PrivateKey {
	t.Helper()
	key, err := signature.Generate(signature.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t testing.TB, keys ...signature.PrivateKey) signature.Set {
	t.Helper()
	var set signature.Set
	for _, key := range keys {
		one, err := key.Sign([]byte("x"))
		if err == nil {
			set, err = set.With(one)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return set
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPolicy(t *testing.T) {
	ours, foreign := generate(t), generate(t)
	folder := t.TempDir()
	path := filepath.Join(folder, "trust.yaml")
	write(t, filepath.Join(folder, "trusted-keys/release.pem"), string(ours.Public().Encode()))
	write(t, filepath.Join(folder, "trusted-keys/README"), "not a key")
	for name, test := range map[string]struct {
		text string
		set  signature.Set
		want string // part of the error, empty for none
	}{
		"nothing required":   {"", nil, ""},
		"signed by ours":     {"require: true\nkeys: [trusted-keys]\n", signed(t, ours, foreign), ""},
		"one file":           {"require: true\nkeys: [trusted-keys/release.pem]\n", signed(t, ours), ""},
		"unsigned":           {"require: true\nkeys: [trusted-keys]\n", nil, "it has no signature, and " + path},
		"foreign":            {"require: true\nkeys: [trusted-keys]\n", signed(t, foreign), "it is signed by " + foreign.Public().ID()},
		"not required":       {"keys: [trusted-keys]\n", signed(t, foreign), ""},
		"required of nobody": {"require: true\n", signed(t, ours), "there are no keys"},
		"misspelled":         {"required: true\nkeys: [trusted-keys]\n", signed(t, ours), "field required not found"},
		"not true":           {"require: yes please\nkeys: [trusted-keys]\n", signed(t, ours), "cannot unmarshal"},
		"no such folder":     {"keys: [other]\n", signed(t, ours), "no such file"},
		"not a key":          {"keys: [trusted-keys/README]\n", signed(t, ours), "no public key in PEM"},
		"two documents":      {"require: false\n---\nrequire: true\n", signed(t, ours), "more than one document"},
		"large":              {strings.Repeat("#", 70_000), nil, "more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, path, test.text)
			policy, err := trust.Read(path)
			if err == nil {
				err = policy.CheckSignatures(test.set)
				if err != nil && !errors.Is(err, trust.ErrUntrusted) {
					t.Errorf("not ErrUntrusted: %v", err)
				}
			}
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestNoPolicy(t *testing.T) {
	policy, err := trust.Read(filepath.Join(t.TempDir(), "trust.yaml"))
	if err != nil || policy.CheckSignatures(nil) != nil {
		t.Errorf("a machine without a policy refuses bundles: %v", err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "trust.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Read(filepath.Join(folder, "trust.yaml")); err == nil {
		t.Error("a policy that cannot be read accepts bundles")
	}
}

func TestTrusting(t *testing.T) {
	ours, other := generate(t), generate(t)
	path := filepath.Join(t.TempDir(), "key.pem")
	write(t, path, string(ours.Public().Encode()))
	policy, err := trust.Trusting(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := policy.CheckSignatures(signed(t, ours)); err != nil {
		t.Error(err)
	}
	if err := policy.CheckSignatures(signed(t, other)); !errors.Is(err, trust.ErrUntrusted) {
		t.Errorf("error %v", err)
	}
	if err := trust.RequireKey(signed(t, ours), other.Public()); !errors.Is(err, trust.ErrUntrusted) {
		t.Errorf("error %v", err)
	}
	empty := t.TempDir()
	if policy, err = trust.Trusting(empty); err != nil || policy.CheckSignatures(signed(t, ours)) == nil {
		t.Errorf("an empty folder of keys accepts bundles: %v", err)
	}
}
