package bootstrap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/application"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Server answers on a master.
type Server struct {
	paths paths.Paths
	node  *node.Node
	log   *slog.Logger
	store *store.Store
	limit *limiter
	// now is the clock that is shown to machines.
	now func() time.Time

	// hashing is held while a token's key is made, which takes memory.
	hashing sync.Mutex
	// open connects to the API servers.
	open func() (*kube.Client, error)
}

// NewServer returns the server of a master.
func NewServer(p paths.Paths, n *node.Node, log *slog.Logger) *Server {
	return &Server{
		paths: p, node: n, log: log, store: store.New(p.Store()), limit: newLimiter(), now: time.Now,
		open: (&kube.File{Path: p.KubernetesFile("admin.conf")}).Client,
	}
}

// Serve answers until the context ends. Requests that run then are interrupted.
func (s *Server) Serve(ctx context.Context) error {
	config := &net.ListenConfig{}
	listener, err := config.Listen(ctx, "tcp", fmt.Sprintf(":%d", Port))
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return s.serve(ctx, listener)
}

func (s *Server) serve(ctx context.Context, listener net.Listener) error {
	files := certificate.FilesOf(s.paths)
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    1 << 14,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			config, err := files.TLS() // the certificate may have been renewed
			if err != nil {
				return nil, err
			}
			config.ClientAuth = tls.VerifyClientCertIfGiven
			return config, nil
		}},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+pathAuthority, handle(s, s.authority))
	mux.Handle("POST "+pathJoin, handle(s, s.join))
	mux.Handle("POST "+pathStep+"{step}", s.nodes(s.step))
	mux.Handle("GET "+pathCluster, s.nodes(s.cluster))
	mux.Handle("GET "+pathPackages, s.nodes(s.packages))
	mux.Handle("POST "+pathCertificate, s.nodes(s.certificate))
	return mux
}

// statusError is an error with the status of its answer.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// refuse makes an error that is the fault of who asks.
func refuse(status int, err error) error { return &statusError{status, err} }

// handle makes a handler of a function that strangers may call.
func handle[T any](s *Server, answer func(*http.Request, *T) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.limit.allow(r.RemoteAddr) {
			s.reply(w, r, nil, refuse(http.StatusTooManyRequests, cli.Busy(errors.New("too many attempts, wait a minute"))))
			return
		}
		var request T
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&request); err != nil {
			s.reply(w, r, nil, refuse(http.StatusBadRequest, fmt.Errorf("the request cannot be read: %w", err)))
			return
		}
		result, err := answer(r, &request)
		if guessed(err) {
			s.limit.failed(r.RemoteAddr)
		}
		s.reply(w, r, result, err)
	})
}

// guessed tells whether an error is about a token that is not good. What else goes
// wrong does not count: who has a good token may ask again and again for a place.
func guessed(err error) bool {
	refused, ok := errors.AsType[*statusError](err)
	return ok && refused.status == http.StatusUnauthorized
}

// nodes makes a handler of a function that only nodes may call; it gets the name
// that is in the node's certificate, and whether that is a master's.
func (s *Server) nodes(answer func(http.ResponseWriter, *http.Request, caller) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			s.reply(w, r, nil, refuse(http.StatusUnauthorized, errors.New("only nodes may ask for this")))
			return
		}
		subject := r.TLS.PeerCertificates[0].Subject
		if !slices.Contains(subject.Organization, certificate.Organization) {
			s.reply(w, r, nil, refuse(http.StatusForbidden, errors.New("only nodes may ask for this")))
			return
		}
		if err := s.checkRemoved(r.Context(), r.TLS.PeerCertificates[0]); err != nil {
			s.reply(w, r, nil, err)
			return
		}
		result, err := answer(w, r, callerOf(r.TLS.PeerCertificates[0]))
		s.reply(w, r, result, err)
	})
}

// caller is who shows a certificate: the name, the addresses and the rank that are in
// it.
type caller struct {
	name      string
	addresses []netip.Addr
	master    bool
}

func callerOf(shown *x509.Certificate) caller {
	from := caller{name: shown.Subject.CommonName, master: slices.Contains(shown.Subject.OrganizationalUnit, certificate.UnitMaster)}
	for _, ip := range shown.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok && !address.Unmap().IsLoopback() {
			from.addresses = append(from.addresses, address.Unmap())
		}
	}
	return from
}

func (s *Server) reply(w http.ResponseWriter, r *http.Request, result any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		answer := failure{
			Error: err.Error(), Hints: cli.Hints(err), Removed: errors.Is(err, ErrRemoved), Busy: cli.ExitCode(err) == cli.ExitBusy,
		}
		status := http.StatusInternalServerError
		var asked *statusError
		switch {
		case errors.As(err, &asked):
			status = asked.status
			answer.Wait = status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
		case apierrors.IsNotFound(err):
			status = http.StatusConflict
		default:
			answer.Wait = true // the API server comes back
		}
		s.log.Info("refused", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
		w.WriteHeader(status)
		result = answer
	}
	if err := json.NewEncoder(w).Encode(result); err != nil {
		s.log.Debug("the answer did not arrive", "to", r.RemoteAddr, "error", err)
	}
}

// client is a connection to the API servers with all rights.
func (s *Server) client() (*kube.Client, error) {
	client, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("this master is not ready: %w", err)
	}
	return client, nil
}

// application is the cluster's application.
func (s *Server) application(client *kube.Client, facts *cluster.Facts) *application.Application {
	return &application.Application{
		Paths: s.paths, Store: s.store, Client: client, Log: s.log,
		Name: facts.Application, Version: facts.Version, Cluster: facts.Name, Node: s.node.Name,
		ServiceUser: facts.ServiceUser, ServiceGroup: facts.ServiceGroup,
	}
}
