package connection

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

// TestWrongPassword: what is wrong stays wrong, so it is tried once, by however
// many resources.
func TestWrongPassword(t *testing.T) {
	server, config := newServer(t, sshtest.Options{})
	config.Password = "battery staple"
	host := newHost(t, config)
	start := make(chan struct{})
	errs := make([]error, 5)
	var running sync.WaitGroup
	for i := range errs {
		running.Go(func() {
			<-start
			_, errs[i] = host.Run(t.Context(), Command{Args: []string{"true"}})
		})
	}
	close(start)
	running.Wait()
	for _, err := range errs {
		if _, ok := errors.AsType[*AuthenticationError](err); !ok {
			t.Errorf("wrong password: %v", err)
		}
		if text := err.Error() + strings.Join(cli.Hints(err), ""); strings.Contains(text, config.Password) {
			t.Errorf("the error has the password: %s", text)
		}
	}
	if dials := server.Dials(); dials > len(errs) {
		t.Errorf("%d connections were made for %d commands", dials, len(errs))
	}
}

func TestPrivateKey(t *testing.T) {
	signer, private := sshtest.Key(t)
	_, config := newServer(t, sshtest.Options{AuthorizedKeys: []ssh.PublicKey{signer.PublicKey()}})
	config.Password, config.PrivateKey = "", private
	output(t, newHost(t, config), "true")

	_, config.PrivateKey = sshtest.Key(t)
	_, err := newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}})
	refused, ok := errors.AsType[*AuthenticationError](err)
	if !ok || len(refused.Tried) != 1 || !strings.Contains(refused.Tried[0], "SHA256:") {
		t.Errorf("another key: %v", err)
	}
}

// serveAgent is an agent with the keys, named by their comments.
func serveAgent(t *testing.T, keys map[string]any) {
	t.Helper()
	keyring := agent.NewKeyring()
	for comment, key := range keys {
		if err := keyring.Add(agent.AddedKey{PrivateKey: key, Comment: comment}); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_ = agent.ServeAgent(keyring, conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	t.Setenv(agentVariable, socket)
}

func TestAgent(t *testing.T) {
	right, private := sshtest.Key(t)
	key, err := ssh.ParseRawPrivateKey([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	_, other := sshtest.Key(t)
	otherKey, err := ssh.ParseRawPrivateKey([]byte(other))
	if err != nil {
		t.Fatal(err)
	}
	serveAgent(t, map[string]any{"right": key, "wrong": otherKey})
	_, config := newServer(t, sshtest.Options{AuthorizedKeys: []ssh.PublicKey{right.PublicKey()}})
	config.Password, config.Agent = "", true
	for _, identity := range []string{"", "right", "wrong", ssh.FingerprintSHA256(right.PublicKey()), authorized(right.PublicKey())} {
		config.AgentIdentity = identity
		output(t, newHost(t, config), "true")
	}
	config.AgentIdentity = "missing"
	if _, err := newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}}); err == nil || !strings.Contains(err.Error(), "agent_identity") {
		t.Errorf("an identity that the agent has not: %v", err)
	}
	t.Setenv(agentVariable, "")
	config.AgentIdentity = ""
	if _, err := newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}}); err == nil {
		t.Error("there was an agent without a socket")
	}
}

func TestNoCredentials(t *testing.T) {
	_, config := newServer(t, sshtest.Options{})
	config.Password = ""
	_, err := newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}})
	if err == nil || len(cli.Hints(err)) == 0 {
		t.Errorf("nothing to log in with: %v", err)
	}
}
