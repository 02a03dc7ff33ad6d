// Package sshtest is an SSH server for tests, in the process of the test: it
// runs commands on this machine, as the user of the test, and can be made to
// behave as badly as servers and networks do.
package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options describe a server. The zero value accepts nobody.
type Options struct {
	// Password and AuthorizedKeys let users in, whatever their names.
	Password       string
	AuthorizedKeys []ssh.PublicKey
	// HostKeys are the server's; nil means a new ed25519 key.
	HostKeys []ssh.Signer
	// MaxSessions bounds the sessions of a connection; zero means no bound.
	MaxSessions int
	// Linger is how long a session still counts after its end was sent.
	Linger time.Duration
	// Environment is added to that of commands.
	Environment []string
	// Forward changes where connections go that pass through the server; nil means
	// where they want to.
	Forward func(address string) string
}

// Server is a running server.
type Server struct {
	// Port is where it listens on 127.0.0.1.
	Port int
	// HostKey is the first host key as host_key has it.
	HostKey string

	options  Options
	config   *ssh.ServerConfig
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	logins int
	dials  int
	peak   int
	// budget is how many bytes are read before connections drop; negative means
	// no bound.
	budget int64
	silent bool
}

// New starts a server that ends with the test.
func New(t testing.TB, options Options) *Server {
	t.Helper()
	if options.HostKeys == nil {
		signer, _ := Key(t)
		options.HostKeys = []ssh.Signer{signer}
	}
	s := &Server{options: options, budget: -1, HostKey: string(ssh.MarshalAuthorizedKey(options.HostKeys[0].PublicKey()))}
	s.config = s.serverConfig()
	for _, key := range options.HostKeys {
		s.config.AddHostKey(key)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener = listener
	s.Port = listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener's address
	s.running.Go(s.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		s.Drop()
		s.running.Wait()
	})
	return s
}

// Key makes a key and its private part in PEM.
func Key(t testing.TB) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

func (s *Server) serverConfig() *ssh.ServerConfig {
	config := &ssh.ServerConfig{}
	refuse := errors.New("refused")
	if s.options.Password != "" {
		config.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			s.count(&s.logins)
			if string(password) != s.options.Password {
				return nil, refuse
			}
			return &ssh.Permissions{}, nil
		}
	}
	config.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		s.count(&s.logins)
		for _, known := range s.options.AuthorizedKeys {
			if slices.Equal(known.Marshal(), key.Marshal()) {
				return &ssh.Permissions{}, nil
			}
		}
		return nil, refuse
	}
	return config
}

func (s *Server) count(counter *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*counter++
}

// Logins counts credentials that were tried.
func (s *Server) Logins() int { return s.read(&s.logins) }

// Dials counts connections.
func (s *Server) Dials() int { return s.read(&s.dials) }

// Peak is how many sessions were open at the same time.
func (s *Server) Peak() int { return s.read(&s.peak) }

func (s *Server) read(counter *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *counter
}

// Drop closes all connections, as a reset does.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
}

// DropAfter closes all connections, once, when so many more bytes were read.
func (s *Server) DropAfter(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budget = bytes
}

// Silence lets connections hang: nothing that clients send is answered any more,
// and new ones are not greeted. False ends it for new connections.
func (s *Server) Silence(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = silent
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.dials++
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.running.Go(func() { s.serve(&metered{Conn: conn, server: s}) })
	}
}

// metered is a connection with the server's bad behaviour.
type metered struct {
	net.Conn
	server *Server
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	for m.isSilent() && err == nil {
		_, err = m.Conn.Read(p)
		n = 0
	}
	m.server.spend(int64(n))
	return n, err
}

func (m *metered) isSilent() bool {
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	return m.server.silent
}

func (s *Server) spend(n int64) {
	s.mu.Lock()
	drop := s.budget >= 0 && s.budget < n
	if drop {
		s.budget = -1
	} else if s.budget >= 0 {
		s.budget -= n
	}
	s.mu.Unlock()
	if drop {
		s.Drop()
	}
}
