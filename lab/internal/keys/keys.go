// Package keys makes the ssh keys of a lab: the client's key, the host keys of
// machines, and the files that ssh reads.
package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Pair is an ed25519 key in the formats of OpenSSH.
type Pair struct {
	// Private is the PEM block of the private key.
	Private []byte
	// Public is a line such as "ssh-ed25519 AAAA… comment", with a newline.
	Public []byte
}

// New makes a key. The comment only helps people to recognise it.
func New(comment string) (Pair, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make an ssh key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return Pair{}, fmt.Errorf("encode an ssh key: %w", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return Pair{}, fmt.Errorf("encode an ssh key: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + comment + "\n"
	return Pair{Private: pem.EncodeToMemory(block), Public: []byte(line)}, nil
}

// Write stores the key at path (mode 0600) and path.pub.
func (p Pair) Write(path string) error {
	if err := os.WriteFile(path, p.Private, 0o600); err != nil {
		return fmt.Errorf("write an ssh key: %w", err)
	}
	if err := os.WriteFile(path+".pub", p.Public, 0o644); err != nil {
		return fmt.Errorf("write an ssh key: %w", err)
	}
	return nil
}

// KnownHost is the line of known_hosts for a machine, without a newline.
func KnownHost(name string, address netip.Addr, public []byte) string {
	fields := strings.Fields(string(public))
	if len(fields) < 2 {
		return ""
	}
	return fmt.Sprintf("%s,%s %s %s", name, address, fields[0], fields[1])
}
