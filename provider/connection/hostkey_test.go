package connection

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

func ecdsaKey(t *testing.T) ssh.Signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestUnknownHostKey(t *testing.T) {
	server, config := newServer(t, sshtest.Options{})
	config.HostKey = ""
	_, err := newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}})
	unknown, ok := errors.AsType[*UnknownHostKeyError](err)
	if !ok {
		t.Fatalf("unknown host key: %v", err)
	}
	fingerprint := ssh.FingerprintSHA256(unknown.Key)
	hints := strings.Join(cli.Hints(err), "\n")
	if !strings.Contains(err.Error(), fingerprint) || !strings.Contains(hints, fingerprint) {
		t.Errorf("the fingerprint %s is missing in: %v\n%s", fingerprint, err, hints)
	}
	// What the hint says is what works.
	if !strings.Contains(hints, strings.TrimSpace(server.HostKey)) {
		t.Errorf("the hint does not have the key: %s", hints)
	}
	if server.Logins() != 0 {
		t.Error("a password was sent to a machine that is not known")
	}
}

func TestChangedHostKey(t *testing.T) {
	server, config := newServer(t, sshtest.Options{})
	other, _ := sshtest.Key(t)
	for name, set := range map[string]func(*Config){
		"host_key":    func(c *Config) { c.HostKey = authorized(other.PublicKey()) },
		"known_hosts": func(c *Config) { c.HostKey, c.KnownHosts = "", known(c, other.PublicKey()) },
	} {
		t.Run(name, func(t *testing.T) {
			config := config
			set(&config)
			_, err := newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}})
			changed, ok := errors.AsType[*ChangedHostKeyError](err)
			if !ok {
				t.Fatalf("changed host key: %v", err)
			}
			if changed.Key == nil || len(changed.Want) != 1 {
				t.Errorf("the error has key %v and %d that are expected", changed.Key, len(changed.Want))
			}
			for _, want := range []string{ssh.FingerprintSHA256(other.PublicKey()), "has changed"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in: %v", want, err)
				}
			}
			if hints := strings.Join(cli.Hints(err), "\n"); !strings.Contains(hints, name) {
				t.Errorf("the hint does not name %s: %s", name, hints)
			}
		})
	}
	if server.Logins() != 0 {
		t.Error("a password was sent to another machine")
	}
}

func known(c *Config, key ssh.PublicKey) string {
	return xknownhosts.Line([]string{c.address()}, key) + "\n"
}

// TestKindOfHostKey: a machine with several keys must show the one that is known,
// and not the kind that comes first.
func TestKindOfHostKey(t *testing.T) {
	ed25519, _ := sshtest.Key(t)
	ecdsa := ecdsaKey(t)
	for name, key := range map[string]ssh.Signer{"ed25519": ed25519, "ecdsa": ecdsa} {
		t.Run(name, func(t *testing.T) {
			_, config := newServer(t, sshtest.Options{HostKeys: []ssh.Signer{ed25519, ecdsa}})
			config.HostKey, config.KnownHosts = "", known(&config, key.PublicKey())
			if got := output(t, newHost(t, config), "echo", "hello"); got != "hello\n" {
				t.Errorf("the command printed %q", got)
			}
		})
	}
	t.Run("none in common", func(t *testing.T) {
		_, config := newServer(t, sshtest.Options{HostKeys: []ssh.Signer{ed25519}})
		config.HostKey = authorized(ecdsa.PublicKey())
		_, err := newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}})
		if changed, ok := errors.AsType[*ChangedHostKeyError](err); !ok || changed.Key != nil {
			t.Errorf("a machine without a key of the known kind: %v", err)
		}
	})
}

func TestHostCertificate(t *testing.T) {
	authority := ecdsaKey(t)
	key, _ := sshtest.Key(t)
	certificate := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"},
		ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if err := certificate.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	certified, err := ssh.NewCertSigner(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	_, config := newServer(t, sshtest.Options{HostKeys: []ssh.Signer{certified}})
	config.HostKey = authorized(authority.PublicKey())
	output(t, newHost(t, config), "true")

	config.HostKey = authorized(ecdsaKey(t).PublicKey())
	if _, err := newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}}); err == nil {
		t.Error("a certificate of another authority was accepted")
	}
}

func TestKnownHostsOfTheUser(t *testing.T) {
	server, config := newServer(t, sshtest.Options{})
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(server.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(os.Getenv("HOME"), ".ssh")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte("machine ssh-future AAAA\n"+known(&config, key)), 0o600); err != nil {
		t.Fatal(err)
	}
	config.HostKey = ""
	output(t, newHost(t, config), "true")
}

func TestInsecure(t *testing.T) {
	_, config := newServer(t, sshtest.Options{})
	config.HostKey, config.InsecureIgnoreHostKey = "", true
	output(t, newHost(t, config), "true")
}
