package supervisor

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/rootfs"
)

// personalise writes the files that tell this machine from others: names,
// identities and who may log in. After that the disk is the machine's own, but
// for the lab's part of its hosts file.
func (m *machine) personalise() error {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	files := []struct {
		path, content string
		mode          os.FileMode
	}{
		{"etc/hostname", m.name + "\n", 0o644},
		{"etc/machine-id", hex.EncodeToString(id) + "\n", 0o444},
		{"etc/resolv.conf", fmt.Sprintf("nameserver %s\noptions timeout:1 attempts:1\n", m.lab.network.Gateway()), 0o644},
		{"etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n", 0o644},
		{"etc/ssh/ssh_host_ed25519_key", string(m.hostKey.Private), 0o600},
		{"etc/ssh/ssh_host_ed25519_key.pub", string(m.hostKey.Public), 0o644},
	}
	for _, file := range files {
		path := filepath.Join(m.disk.Root, file.path)
		// A new file, since the mode of an old one would stay.
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(file.content), file.mode); err != nil {
			return fmt.Errorf("prepare machine %s: %w", m.name, err)
		}
	}
	for _, user := range []string{"root", rootfs.AdminUser} {
		if err := m.authorise(user); err != nil {
			return fmt.Errorf("let %s log in to machine %s: %w", user, m.name, err)
		}
	}
	return nil
}

// authorise lets the lab's key log in as a user of the machine.
func (m *machine) authorise(user string) error {
	home, uid, gid, err := lookup(filepath.Join(m.disk.Root, "etc/passwd"), user)
	if err != nil {
		return err
	}
	directory := filepath.Join(m.disk.Root, home, ".ssh")
	keys := filepath.Join(directory, "authorized_keys")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(keys, m.lab.key.Public, 0o600); err != nil {
		return err
	}
	for _, path := range []string{directory, keys} {
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// lookup finds a user in a passwd file.
func lookup(passwd, user string) (home string, uid, gid int, err error) {
	content, err := os.ReadFile(passwd)
	if err != nil {
		return "", 0, 0, err
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 7 || fields[0] != user {
			continue
		}
		uid, uidErr := strconv.Atoi(fields[2])
		gid, gidErr := strconv.Atoi(fields[3])
		if uidErr != nil || gidErr != nil {
			return "", 0, 0, fmt.Errorf("%s: bad line %q", passwd, line)
		}
		return fields[5], uid, gid, nil
	}
	return "", 0, 0, fmt.Errorf("%s: no user %s", passwd, user)
}

const (
	hostsBegin = "# machines of the lab: begin\n"
	hostsEnd   = "# machines of the lab: end\n"
)

// writeHosts replaces the lab's part of the machine's hosts file. The file is
// overwritten in place: a container that has it bound would keep a replaced
// one.
func (m *machine) writeHosts(lines string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.disk == nil {
		return nil
	}
	path := filepath.Join(m.disk.Root, "etc/hosts")
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the hosts file of machine %s: %w", m.name, err)
	}
	if err := os.WriteFile(path, []byte(withBlock(string(content), lines)), 0o644); err != nil {
		return fmt.Errorf("write the hosts file of machine %s: %w", m.name, err)
	}
	return nil
}

// withBlock replaces the lab's block of a hosts file, or appends it.
func withBlock(content, lines string) string {
	block := hostsBegin + lines + hostsEnd
	before, rest, found := strings.Cut(content, hostsBegin)
	if !found {
		return content + block
	}
	_, after, _ := strings.Cut(rest, hostsEnd)
	return before + block + after
}
