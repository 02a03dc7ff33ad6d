package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// agentVariable names the agent's socket.
const agentVariable = "SSH_AUTH_SOCK"

// HasAgent tells whether there is an agent to ask.
func HasAgent() bool { return os.Getenv(agentVariable) != "" }

// An AuthenticationError says that a machine refused all credentials. Trying
// again does not help.
type AuthenticationError struct {
	// Target is USER@HOST:PORT.
	Target string
	// Tried are the credentials, without secrets.
	Tried []string
	Err   error
}

// Error lists what was tried.
func (e *AuthenticationError) Error() string {
	return fmt.Sprintf("log in as %s: all credentials were refused: %s: %v", e.Target, strings.Join(e.Tried, ", "), e.Err)
}

// Unwrap returns the cause.
func (e *AuthenticationError) Unwrap() error { return e.Err }

// credentials are what one attempt to log in offers.
type credentials struct {
	methods []ssh.AuthMethod
	// tried grows while the library asks.
	tried []string
	agent net.Conn
}

// close gives the agent up, which is needed to log in only.
func (c *credentials) close() {
	if c.agent != nil {
		_ = c.agent.Close()
	}
}

// newCredentials reads keys and reaches the agent. The library tries each method
// once, so all keys are one method: the private key first, since servers count
// how many keys they refuse.
func newCredentials(ctx context.Context, config Config) (*credentials, error) {
	c := &credentials{}
	signers, err := c.privateKeys(config)
	if err != nil {
		return nil, err
	}
	if config.Agent {
		offered, err := c.agentKeys(ctx, config.AgentIdentity)
		if err != nil {
			c.close()
			return nil, err
		}
		signers = append(signers, offered...)
	}
	if len(signers) > 0 {
		c.methods = append(c.methods, ssh.PublicKeys(signers...))
	}
	if config.Password != "" {
		c.tried = append(c.tried, "password")
		c.methods = append(c.methods, ssh.Password(config.Password), ssh.KeyboardInteractive(answer(config.Password)))
	}
	if len(c.methods) == 0 {
		c.close()
		return nil, cli.WithHint(fmt.Errorf("log in as %s: there is nothing to log in with", config),
			"set private_key or password, or start an agent that has a key (ssh-add)")
	}
	return c, nil
}

func (c *credentials) privateKeys(config Config) ([]ssh.Signer, error) {
	if config.PrivateKey == "" {
		return nil, nil
	}
	signer, err := config.privateKey()
	if err != nil {
		return nil, &FieldError{"private_key", err}
	}
	c.tried = append(c.tried, "private_key "+describe(signer.PublicKey()))
	if config.Certificate == "" {
		return []ssh.Signer{signer}, nil
	}
	certificate, err := config.certificate()
	if err != nil {
		return nil, &FieldError{"certificate", err}
	}
	certified, err := ssh.NewCertSigner(certificate, signer)
	if err != nil {
		return nil, &FieldError{"certificate", fmt.Errorf("does not belong to private_key: %w", err)}
	}
	c.tried = append([]string{"certificate " + certificate.KeyId}, c.tried...)
	return []ssh.Signer{certified, signer}, nil
}

// agentKeys are those that the agent has, the preferred one first.
func (c *credentials) agentKeys(ctx context.Context, preferred string) ([]ssh.Signer, error) {
	socket := os.Getenv(agentVariable)
	if socket == "" {
		return nil, cli.WithHint(errors.New("agent: there is none"), "start ssh-agent, or set agent = false; %s names its socket", agentVariable)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("agent: %w", err), "start ssh-agent, or set agent = false")
	}
	c.agent = conn
	client := agent.NewClient(conn)
	keys, err := client.List()
	if err != nil {
		return nil, fmt.Errorf("agent: list keys: %w", err)
	}
	signers, err := client.Signers()
	if err != nil {
		return nil, fmt.Errorf("agent: list keys: %w", err)
	}
	found := slices.IndexFunc(keys, func(key *agent.Key) bool { return isIdentity(key, preferred) })
	if preferred != "" && found < 0 {
		return nil, cli.WithHint(&FieldError{"agent_identity", fmt.Errorf("the agent has no key %q", preferred)},
			"'ssh-add -l' lists its keys: give a comment, a fingerprint or a public key")
	}
	if found > 0 {
		signers[0], signers[found] = signers[found], signers[0]
	}
	for _, signer := range signers {
		c.tried = append(c.tried, "agent's "+describe(signer.PublicKey()))
	}
	return signers, nil
}

func isIdentity(key *agent.Key, wanted string) bool {
	wanted = strings.TrimSpace(wanted)
	if key.Comment == wanted || ssh.FingerprintSHA256(key) == wanted {
		return wanted != ""
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(wanted))
	return err == nil && string(public.Marshal()) == string(key.Marshal())
}

// answer gives the password to every question that is not echoed: servers that
// use PAM ask for it that way.
func answer(password string) ssh.KeyboardInteractiveChallenge {
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range questions {
			if !echos[i] {
				answers[i] = password
			}
		}
		return answers, nil
	}
}
