package connection

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Defaults of a Config, those of Terraform's own connection block.
const (
	DefaultPort    = 22
	DefaultUser    = "root"
	DefaultTimeout = 5 * time.Minute
)

// Config says how to reach a machine. The zero value of a field is its default.
// It has secrets: it prints as USER@HOST:PORT and is never encoded.
type Config struct {
	// Host is a name or an address.
	Host string
	Port int
	User string
	// Password is for the password and keyboard-interactive methods.
	Password string
	// PrivateKey is in PEM, and Passphrase opens it if it is encrypted.
	PrivateKey string
	Passphrase string
	// Certificate is an OpenSSH certificate of PrivateKey.
	Certificate string
	// Agent asks the agent at SSH_AUTH_SOCK, after PrivateKey was tried.
	Agent bool
	// AgentIdentity is the key that the agent shall offer first: its comment, its
	// fingerprint or the public key.
	AgentIdentity string
	// HostKey has the machine's public keys, or those of authorities that sign
	// them, one in a line. If it is set, KnownHosts does not count.
	HostKey string
	// KnownHosts is the content of a known_hosts file. If it is empty, the files
	// of the user and the system count.
	KnownHosts string
	// InsecureIgnoreHostKey accepts any machine that answers.
	InsecureIgnoreHostKey bool
	// Timeout is how long a machine that does not answer is tried.
	Timeout time.Duration
	// Bastion is the machine through which this one is reached; it has none
	// itself.
	Bastion *Config
}

// String leaves secrets out.
func (c Config) String() string { return c.user() + "@" + c.address() }

// GoString leaves secrets out.
func (c Config) GoString() string { return "connection.Config{" + c.String() + "}" }

// MarshalText keeps secrets out of encoders.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c Config) user() string { return cmp.Or(c.User, DefaultUser) }

func (c Config) port() int { return cmp.Or(c.Port, DefaultPort) }

func (c Config) timeout() time.Duration { return cmp.Or(c.Timeout, DefaultTimeout) }

// address is HOST:PORT, with brackets around IPv6.
func (c Config) address() string {
	return net.JoinHostPort(strings.Trim(c.Host, "[]"), strconv.Itoa(c.port()))
}

// key tells configurations apart, secrets included. It never leaves the process.
func (c Config) key() string {
	type plain Config
	bastion := c.Bastion
	c.Bastion = nil
	key := fmt.Sprintf("%#v", plain(c))
	if bastion != nil {
		key += " through " + bastion.key()
	}
	return key
}

// A FieldError is about a field of a Config, by the name that its user knows.
type FieldError struct {
	// Field is such as private_key.
	Field string
	Err   error
}

// Error names the field.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// Check finds what is wrong with the configuration without connecting. The
// result joins a *FieldError for each field.
func (c Config) Check() error {
	problems := c.check("")
	if c.Bastion != nil {
		problems = append(problems, c.Bastion.check("bastion_")...)
		if c.Bastion.Bastion != nil {
			problems = append(problems, &FieldError{"bastion_host", errors.New("a bastion behind a bastion is not supported")})
		}
	}
	return errors.Join(problems...)
}

func (c Config) check(prefix string) []error {
	var problems []error
	report := func(field string, err error) {
		if err != nil {
			problems = append(problems, &FieldError{prefix + field, err})
		}
	}
	if c.Host == "" {
		report("host", errors.New("is not set"))
	}
	if strings.ContainsAny(c.Host, " /@\t\n") {
		report("host", fmt.Errorf("%q is neither a name nor an address", c.Host))
	}
	if c.Port < 0 || c.Port > 65535 {
		report("port", fmt.Errorf("%d is no port", c.Port))
	}
	if c.Timeout < 0 {
		report("timeout", fmt.Errorf("%s is negative", c.Timeout))
	}
	if c.PrivateKey != "" {
		_, err := c.privateKey()
		report("private_key", err)
	}
	if c.Certificate != "" {
		_, err := c.certificate()
		report("certificate", err)
		if c.PrivateKey == "" {
			report("certificate", errors.New("needs the private_key that it certifies"))
		}
	}
	_, err := newVerifier(c)
	report(c.hostKeyField(), err)
	return problems
}

// hostKeyField is the field that says which host keys are right.
func (c Config) hostKeyField() string {
	if c.HostKey != "" {
		return "host_key"
	}
	return "known_hosts"
}

func (c Config) privateKey() (ssh.Signer, error) {
	signer, err := parsePrivateKey(c.PrivateKey, c.Passphrase)
	if err == nil {
		return signer, nil
	}
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, cli.WithHint(errors.New("is encrypted"), "set private_key_passphrase, or use an agent")
	case isPath(c.PrivateKey):
		return nil, cli.WithHint(errors.New("is not a key in PEM"), "it is the key's content: write file(%q)", c.PrivateKey)
	default:
		return nil, fmt.Errorf("is not a key in PEM: %w", err)
	}
}

// parsePrivateKey needs the passphrase only if the key is encrypted.
func parsePrivateKey(pem, passphrase string) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey([]byte(pem))
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) && passphrase != "" {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(pem), []byte(passphrase))
	}
	return signer, err
}

func (c Config) certificate() (*ssh.Certificate, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(c.Certificate))
	if err != nil {
		return nil, fmt.Errorf("is not an OpenSSH certificate: %w", err)
	}
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("is a public key and not a certificate")
	}
	return certificate, nil
}

// isPath tells a path that was given where a content is wanted.
func isPath(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && !strings.ContainsAny(text, " \t\n") && strings.ContainsAny(text, "/~.")
}
