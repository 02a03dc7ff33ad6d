package connection

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// An UnknownHostKeyError says that nothing tells which key a machine should
// have.
type UnknownHostKeyError struct {
	// Address is HOST:PORT.
	Address string
	// Key is what the machine has.
	Key ssh.PublicKey
}

// Error has the fingerprint.
func (e *UnknownHostKeyError) Error() string {
	return fmt.Sprintf("the host key of %s is unknown: it is %s", e.Address, describe(e.Key))
}

// A ChangedHostKeyError says that a machine has another key than it should have.
type ChangedHostKeyError struct {
	// Address is HOST:PORT.
	Address string
	// Key is what the machine has; nil if it has none of a kind that is expected.
	Key ssh.PublicKey
	// Want are the keys that it should have.
	Want []ssh.PublicKey
	// Revoked tells that the key is marked as revoked.
	Revoked bool
}

// Error has the fingerprints.
func (e *ChangedHostKeyError) Error() string {
	if e.Revoked {
		return fmt.Sprintf("the host key of %s is revoked: %s", e.Address, describe(e.Key))
	}
	var want []string
	for _, key := range e.Want {
		want = append(want, describe(key))
	}
	has := "no key of that kind"
	if e.Key != nil {
		has = describe(e.Key)
	}
	return fmt.Sprintf("the host key of %s has changed: it should be %s, the machine has %s",
		e.Address, strings.Join(want, " or "), has)
}

func describe(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }

// authorized is a key as host_key and known_hosts have it.
func authorized(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// verifier knows the host keys of one machine.
type verifier struct {
	address  string
	field    string
	insecure bool
	known    *knownhosts.HostKeyDB
}

// newVerifier reads the keys that the configuration names.
func newVerifier(c Config) (*verifier, error) {
	v := &verifier{address: c.address(), field: c.hostKeyField(), insecure: c.InsecureIgnoreHostKey}
	if v.insecure {
		return v, nil
	}
	var err error
	switch {
	case c.HostKey != "":
		var lines string
		if lines, err = hostKeyLines(c.address(), c.HostKey); err == nil {
			v.known, err = parseKnownHosts(lines)
		}
	case isPath(c.KnownHosts):
		err = cli.WithHint(errors.New("has no keys"), "it is a file's content: write file(%q)", strings.TrimSpace(c.KnownHosts))
	case c.KnownHosts != "":
		v.known, err = parseKnownHosts(c.KnownHosts)
	default:
		v.known, err = parseKnownHosts(knownHostsOfUser())
	}
	return v, err
}

// hostKeyLines writes known_hosts for host_key. A key may be the machine's own,
// or an authority's; both are told.
func hostKeyLines(address, keys string) (string, error) {
	host := xknownhosts.Normalize(address)
	var lines strings.Builder
	for line := range strings.Lines(keys) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return "", cli.WithHint(errors.New("is not a public key"),
				`write it as ssh-keyscan and the file /etc/ssh/ssh_host_ed25519_key.pub do, such as "ssh-ed25519 AAAA…"`)
		}
		fmt.Fprintf(&lines, "%s %s\n@cert-authority %s %s\n", host, authorized(key), host, authorized(key))
	}
	if lines.Len() == 0 {
		return "", errors.New("has no public key")
	}
	return lines.String(), nil
}

// parseKnownHosts reads the content of a known_hosts file. The library reads
// files only.
func parseKnownHosts(content string) (*knownhosts.HostKeyDB, error) {
	file, err := os.CreateTemp("", "gravity-known-hosts-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	known, err := knownhosts.NewDB(file.Name())
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), file.Name(), "line "))
	}
	return known, nil
}

// knownHostsOfUser is what ssh(1) reads, as far as it is there. Lines that the
// library does not understand are left out, as ssh(1) does.
func knownHostsOfUser() string {
	files := []string{"/etc/ssh/ssh_known_hosts"}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".ssh", "known_hosts"))
	}
	var kept strings.Builder
	for _, path := range files {
		content, err := readStart(path, maxKnownHosts)
		if err != nil {
			continue
		}
		for line := range strings.Lines(content) {
			if _, _, _, _, _, err := ssh.ParseKnownHosts([]byte(line)); err == nil {
				kept.WriteString(strings.TrimRight(line, "\n") + "\n")
			}
		}
	}
	return kept.String()
}

const maxKnownHosts = 16 << 20

// readStart reads the first bytes of a file.
func readStart(path string, limit int64) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit))
	return string(content), err
}

// certificateAlgorithms are all that an authority, whatever its own kind, may
// have signed.
var certificateAlgorithms = []string{
	ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
}

// algorithms are those of the keys that are known, so that the machine shows a
// key that can be compared, and not another of its keys. Nil leaves the choice
// to the library.
func (v *verifier) algorithms() []string {
	if v.insecure {
		return nil
	}
	var certificates, keys []string
	for _, key := range v.known.HostKeys(v.address) {
		switch {
		case key.Cert:
			certificates = certificateAlgorithms
		case key.Type() == ssh.KeyAlgoRSA:
			keys = append(keys, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			keys = append(keys, key.Type())
		}
	}
	slices.Sort(keys)
	return slices.Concat(certificates, slices.Compact(keys))
}

// check is the library's callback.
func (v *verifier) check(address string, remote net.Addr, key ssh.PublicKey) error {
	if v.insecure {
		return nil
	}
	err := v.known.HostKeyCallback()(address, remote, key)
	var unequal *xknownhosts.KeyError
	var revoked *xknownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return v.changed(&ChangedHostKeyError{Address: v.address, Key: key, Revoked: true})
	case errors.As(err, &unequal) && len(unequal.Want) == 0:
		return v.unknown(key)
	case errors.As(err, &unequal):
		changed := &ChangedHostKeyError{Address: v.address, Key: key}
		for _, want := range unequal.Want {
			changed.Want = appendKey(changed.Want, want.Key)
		}
		return v.changed(changed)
	case err != nil:
		return fmt.Errorf("the host certificate of %s: %w", v.address, err)
	}
	return nil
}

// appendKey adds a key once: host_key stands for two lines.
func appendKey(keys []ssh.PublicKey, key ssh.PublicKey) []ssh.PublicKey {
	for _, other := range keys {
		if authorized(other) == authorized(key) {
			return keys
		}
	}
	return append(keys, key)
}

// noCommonKind is the error for a machine that has keys, but none of a known
// kind.
func (v *verifier) noCommonKind() error {
	changed := &ChangedHostKeyError{Address: v.address}
	for _, key := range v.known.HostKeys(v.address) {
		changed.Want = appendKey(changed.Want, key.PublicKey)
	}
	return v.changed(changed)
}

func (v *verifier) unknown(key ssh.PublicKey) error {
	return cli.WithHint(&UnknownHostKeyError{Address: v.address, Key: key},
		"on the machine, 'ssh-keygen -lf' of its /etc/ssh/ssh_host_*_key.pub must print %s; then set host_key = %q, "+
			"or add the line %q to known_hosts",
		ssh.FingerprintSHA256(key), authorized(key), xknownhosts.Line([]string{v.address}, key))
}

func (v *verifier) changed(err *ChangedHostKeyError) error {
	if err.Revoked || err.Key == nil {
		return cli.WithHint(err, "if the machine was replaced, put its new key into %s; if not, somebody else may be answering", v.field)
	}
	return cli.WithHint(err,
		"if the machine was replaced, compare the fingerprint with what 'ssh-keygen -lf' prints there, and put %q into %s; "+
			"if not, somebody else may be answering", authorized(err.Key), v.field)
}
