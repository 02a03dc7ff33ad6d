package connection

import (
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

func encrypted(t *testing.T, passphrase string) string {
	t.Helper()
	_, private := sshtest.Key(t)
	key, err := ssh.ParseRawPrivateKey([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func TestCheck(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	signer, private := sshtest.Key(t)
	locked := encrypted(t, "open")
	for name, test := range map[string]struct {
		config Config
		// want are the fields that are wrong.
		want string
	}{
		"least":              {Config{Host: "machine"}, ""},
		"IPv6":               {Config{Host: "fe80::1"}, ""},
		"no host":            {Config{}, "host"},
		"user in host":       {Config{Host: "root@machine"}, "host"},
		"port":               {Config{Host: "machine", Port: 65536}, "port"},
		"key":                {Config{Host: "machine", PrivateKey: private}, ""},
		"path of a key":      {Config{Host: "machine", PrivateKey: "~/.ssh/id_rsa"}, "private_key"},
		"encrypted":          {Config{Host: "machine", PrivateKey: locked}, "private_key"},
		"passphrase":         {Config{Host: "machine", PrivateKey: locked, Passphrase: "open"}, ""},
		"wrong passphrase":   {Config{Host: "machine", PrivateKey: locked, Passphrase: "shut"}, "private_key"},
		"idle passphrase":    {Config{Host: "machine", PrivateKey: private, Passphrase: "open"}, ""},
		"no certificate":     {Config{Host: "machine", PrivateKey: private, Certificate: authorized(signer.PublicKey())}, "certificate"},
		"host key":           {Config{Host: "machine", HostKey: authorized(signer.PublicKey()) + " comment\n"}, ""},
		"no host key":        {Config{Host: "machine", HostKey: "SHA256:abc"}, "host_key"},
		"known hosts":        {Config{Host: "machine", KnownHosts: "machine " + authorized(signer.PublicKey())}, ""},
		"path of such":       {Config{Host: "machine", KnownHosts: "/etc/ssh/ssh_known_hosts"}, "known_hosts"},
		"broken known hosts": {Config{Host: "machine", KnownHosts: "machine ssh-ed25519 !"}, "known_hosts"},
		"bastion":            {Config{Host: "machine", Bastion: &Config{Host: "bastion", Port: -1}}, "bastion_port"},
		"two bastions":       {Config{Host: "m", Bastion: &Config{Host: "b", Bastion: &Config{Host: "c"}}}, "bastion_host"},
		"two mistakes":       {Config{Port: -1}, "host port"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.config.Check()
			var fields []string
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, err := range joined.Unwrap() {
					field, ok := errors.AsType[*FieldError](err)
					if !ok {
						t.Fatalf("%v names no field", err)
					}
					fields = append(fields, field.Field)
				}
			}
			if got := strings.Join(fields, " "); got != test.want {
				t.Errorf("wrong are %q instead of %q: %v", got, test.want, err)
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
				t.Errorf("the error has the key: %v", err)
			}
		})
	}
}
