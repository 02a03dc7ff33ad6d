package node

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

func TestUsersOfMachine(t *testing.T) {
	_, config := machine(t, "one")
	for _, user := range []string{"root", "admin"} {
		config.User = user
		host, _ := reach(t, config)
		result, err := host.Run(t.Context(), connection.Command{
			Args: []string{"sh", "-c", `id -u; printf '%s|' "$@"; cat`, "sh", "a b", "it's", "$HOME"}, Stdin: strings.NewReader("input"),
		})
		if want := "0\na b|it's|$HOME|input"; err != nil || string(result.Stdout) != want {
			t.Errorf("%s: %q instead of %q: %v", user, result.Stdout, want, err)
		}
		_, err = host.Run(t.Context(), connection.Command{Args: []string{"sh", "-c", "kill -9 $$"}})
		if exit, ok := errors.AsType[*connection.ExitError](err); !ok || exit.Code != 137 {
			t.Errorf("%s: a command that was killed: %v", user, err)
		}
	}
}

func TestPasswordOfMachine(t *testing.T) {
	one, config := machine(t, "one")
	sh(t, one, `useradd --create-home --shell /bin/bash asks; echo asks:correct-horse | chpasswd
		echo 'asks ALL=(ALL) ALL' >/etc/sudoers.d/asks`)
	t.Cleanup(func() { sh(t, one, "rm /etc/sudoers.d/asks; pkill -KILL -u asks || :; userdel -rf asks 2>/dev/null") })
	for method, settings := range map[string]string{
		"password":             "PasswordAuthentication yes\nKbdInteractiveAuthentication no",
		"keyboard-interactive": "PasswordAuthentication no\nKbdInteractiveAuthentication yes",
	} {
		t.Run(method, func(t *testing.T) {
			sshd(t, one, settings)
			config := config
			config.User, config.PrivateKey, config.Password = "asks", "", "correct-horse"
			host, _ := reach(t, config)
			_, err := host.Run(t.Context(), connection.Command{Args: []string{"true"}})
			if !errors.Is(err, connection.ErrPassword) || !strings.Contains(strings.Join(cli.Hints(err), ""), "NOPASSWD") {
				t.Errorf("sudo that asks: %v", err)
			}
			config.Password = "battery-staple"
			host, _ = reach(t, config)
			_, err = host.Run(t.Context(), connection.Command{Args: []string{"true"}})
			if _, ok := errors.AsType[*connection.AuthenticationError](err); !ok || strings.Contains(err.Error(), config.Password) {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
}

// TestSessionsOfMachine: more commands than sshd's MaxSessions.
func TestSessionsOfMachine(t *testing.T) {
	one, config := machine(t, "one")
	for _, settings := range []string{"", "MaxSessions 2"} {
		sshd(t, one, settings)
		host, _ := reach(t, config)
		var running sync.WaitGroup
		for range 30 {
			running.Go(func() {
				if _, err := host.Run(t.Context(), connection.Command{Args: []string{"sleep", "0.05"}}); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
	}
	sshd(t, one, "MaxSessions 0")
	host, _ := reach(t, config)
	if _, err := host.Run(t.Context(), connection.Command{Args: []string{"true"}}); err == nil || len(cli.Hints(err)) == 0 {
		t.Errorf("sshd without sessions: %v", err)
	}
}

// TestKeysOfMachine: the machine has keys of several kinds, known_hosts one.
func TestKeysOfMachine(t *testing.T) {
	one, config := machine(t, "one")
	sh(t, one, "ssh-keygen -A")
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		config.HostKey = sh(t, one, "cat /etc/ssh/ssh_host_"+kind+"_key.pub")
		sshd(t, one, "HostKey /etc/ssh/ssh_host_rsa_key\nHostKey /etc/ssh/ssh_host_ecdsa_key\nHostKey /etc/ssh/ssh_host_ed25519_key")
		host, _ := reach(t, config)
		if _, err := host.Run(t.Context(), connection.Command{Args: []string{"true"}}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	config.KnownHosts, config.HostKey = strings.ReplaceAll(config.KnownHosts, config.Host+" ", "10.255.255.1 "), ""
	host, _ := reach(t, config)
	_, err := host.Run(t.Context(), connection.Command{Args: []string{"true"}})
	if _, ok := errors.AsType[*connection.UnknownHostKeyError](err); !ok {
		t.Errorf("a machine that is not known: %v", err)
	}
}

func TestBastionMachine(t *testing.T) {
	one, bastion := machine(t, "one")
	_, config := machine(t, "two")
	config.Bastion = &bastion
	host, _ := reach(t, config)
	result, err := host.Run(t.Context(), connection.Command{Args: []string{"hostname"}})
	if err != nil || string(result.Stdout) != "two\n" {
		t.Errorf("behind the bastion is %q: %v", result.Stdout, err)
	}
	sshd(t, one, "AllowTcpForwarding no")
	host, _ = reach(t, config)
	if _, err := host.Run(t.Context(), connection.Command{Args: []string{"hostname"}}); err == nil || len(cli.Hints(err)) == 0 {
		t.Errorf("a bastion that does not forward: %v", err)
	}
}
