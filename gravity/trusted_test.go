package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
)

// signedFixture has a bundle that ours signed, one that nobody signed, and the
// file of the public key of ours and of somebody else.
func signedFixture(t *testing.T) (signed, unsigned, ours, other string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, keys ...signature.PrivateKey) string {
		path := filepath.Join(dir, name)
		_, err := bundle.Write(t.Context(), path, bundle.Contents{
			Name: "shop", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
			Manifest: []byte(modest), Source: bundle.Memory{},
		}, bundle.Options{})
		if err == nil {
			_, err = bundle.Sign(t.Context(), path, keys, bundle.Options{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := func(name string) (signature.PrivateKey, string) {
		made, err := signature.Generate(signature.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, made.Public().Encode(), 0o600); err != nil {
			t.Fatal(err)
		}
		return made, path
	}
	private, ours := key("ours.pub")
	_, other = key("other.pub")
	return write("signed.tar", private), write("unsigned.tar"), ours, other
}

// TestTrustedKeys has what the machine's policy requires and what flags do.
func TestTrustedKeys(t *testing.T) {
	signed, unsigned, ours, other := signedFixture(t)
	policy := filepath.Join(t.TempDir(), "trust.yaml")
	if err := os.WriteFile(policy, []byte("require: true\nkeys: ["+ours+"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		bundle  string
		trusted trusted
		refused bool
	}{
		"nothing is required":          {unsigned, trusted{}, false},
		"flag, signed":                 {signed, trusted{keys: []string{other, ours}}, false},
		"flag, unsigned":               {unsigned, trusted{keys: []string{ours}}, true},
		"flag, foreign":                {signed, trusted{keys: []string{other}}, true},
		"policy, signed":               {signed, trusted{path: policy}, false},
		"policy, unsigned":             {unsigned, trusted{path: policy}, true},
		"a flag does not lift policy":  {signed, trusted{path: policy, keys: []string{other}}, true},
		"a policy does not lift flags": {unsigned, trusted{path: policy, keys: []string{ours}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			opened, err := test.trusted.open(test.bundle)
			if err == nil {
				_ = opened.Close()
			}
			if test.refused != errors.Is(err, trust.ErrUntrusted) || !test.refused && err != nil {
				t.Errorf("error %v", err)
			}
			_, err = openSubject(&test.trusted, test.bundle, "", "")
			if test.refused != errors.Is(err, trust.ErrUntrusted) {
				t.Errorf("gravity check: error %v", err)
			}
		})
	}
}

// TestInstallUntrusted refuses before anything is written.
func TestInstallUntrusted(t *testing.T) {
	_, unsigned, ours, _ := signedFixture(t)
	state := filepath.Join(t.TempDir(), "state")
	g := &globals{stateDir: state}
	i := &installation{planChange: planChange{globals: g, steps: true}}
	command := newInstallCommand(g)
	command.SetContext(context.Background())
	i.bundle, i.trusted.keys = unsigned, []string{ours}
	if _, err := i.create(command); !errors.Is(err, trust.ErrUntrusted) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state folder: %v", err)
	}
}

// TestCheckOtherManifest refuses scripts that the bundle does not vouch for.
func TestCheckOtherManifest(t *testing.T) {
	signed, _, ours, _ := signedFixture(t)
	manifest := filepath.Join(t.TempDir(), "app.yaml")
	if err := os.WriteFile(manifest, []byte(modest+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openSubject(&trusted{keys: []string{ours}}, manifest, signed, ""); err == nil {
		t.Error("another manifest is accepted")
	}
}
