package keys_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/keys"
)

func TestKeysAreReadByOthers(t *testing.T) {
	pair, err := keys.New("one")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pair.Private)
	if err != nil {
		t.Fatal(err)
	}
	public, comment, _, _, err := ssh.ParseAuthorizedKey(pair.Public)
	if err != nil {
		t.Fatal(err)
	}
	if comment != "one" || !bytes.Equal(public.Marshal(), signer.PublicKey().Marshal()) {
		t.Errorf("the public key %q is not that of the private one", pair.Public)
	}
	line := keys.KnownHost("one", netip.MustParseAddr("10.1.2.3"), pair.Public)
	_, hosts, known, _, _, err := ssh.ParseKnownHosts([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if len(hosts) != 2 || hosts[0] != "one" || hosts[1] != "10.1.2.3" || !bytes.Equal(known.Marshal(), public.Marshal()) {
		t.Errorf("known_hosts says %v %s", hosts, line)
	}

	path := filepath.Join(t.TempDir(), "key")
	if err := pair.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the private key has mode %v", info.Mode())
	}
}
