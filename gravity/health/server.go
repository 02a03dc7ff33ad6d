package health

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// Port is where the agent shows the health of the cluster (S32).
const Port = 7575

// maxConnections bounds the connections of each address.
const maxConnections = 64

// Handler answers
//
//	/         the health of all nodes, on a master: 200 if all are running, else
//	          503; other nodes tell of themselves
//	/local    that of this node, likewise
//	/history  what has changed
//
// With ?checker=NAME only some probes are shown. What is shown is up to
// [Interval] old; with ?fresh=true probes are made now, for who asks from this
// machine. Nobody needs a certificate.
func (m *Monitor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		peers := make(chan []report.NodeHealth, 1)
		go func() { peers <- m.peers(r) }()
		local, ok := m.local(w, r)
		if !ok {
			return
		}
		nodes := append([]report.NodeHealth{local}, <-peers...)
		slices.SortFunc(nodes, func(a, b report.NodeHealth) int { return strings.Compare(a.Name, b.Name) })
		status := clusterStatus(nodes...)
		answer(w, status, report.Health{Nodes: nodes, Status: status})
	})
	mux.HandleFunc("GET /local", func(w http.ResponseWriter, r *http.Request) {
		if local, ok := m.local(w, r); ok {
			answer(w, local.Status, local)
		}
	})
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, _ *http.Request) {
		events, err := ReadHistory(m.History.file)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, report.HealthRunning, report.History{Events: append([]report.HealthEvent{}, events...)})
	})
	return mux
}

func (m *Monitor) local(w http.ResponseWriter, r *http.Request) (report.NodeHealth, bool) {
	local := m.Last()
	if fresh(r) {
		var err error
		if local, err = m.Check(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return local, false
		}
	}
	return only(local, r), true
}

// peers are the other nodes.
func (m *Monitor) peers(r *http.Request) []report.NodeHealth {
	if m.Peers == nil {
		return nil
	}
	found := m.Peers.Last()
	if fresh(r) {
		found = m.Peers.Check(r.Context())
	}
	shown := make([]report.NodeHealth, 0, len(found))
	for _, one := range found {
		shown = append(shown, only(one, r))
	}
	return shown
}

// only leaves out the probes that are not asked for.
func only(node report.NodeHealth, r *http.Request) report.NodeHealth {
	wanted := slices.Clone(r.URL.Query()["checker"])
	if len(wanted) == 0 {
		return node
	}
	for i, name := range wanted {
		wanted[i] = Canonical(name)
	}
	node.Probes = slices.DeleteFunc(slices.Clone(node.Probes), func(p report.Probe) bool { return !slices.Contains(wanted, p.Checker) })
	return node
}

// fresh tells whether probes are to be made now.
func fresh(r *http.Request) bool {
	return r.URL.Query().Get("fresh") == "true" && fromHere(r.RemoteAddr)
}

func fromHere(remote string) bool {
	address, err := netip.ParseAddrPort(remote)
	return err == nil && address.Addr().Unmap().IsLoopback()
}

// clusterStatus is that of all nodes together.
func clusterStatus(nodes ...report.NodeHealth) string {
	for _, n := range nodes {
		if n.Status != report.HealthRunning {
			return report.HealthDegraded
		}
	}
	return report.HealthRunning
}

func answer(w http.ResponseWriter, status string, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Server", serverName+version.Get().Version)
	if status != report.HealthRunning {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // whoever asked has gone
}

// Serve answers at some addresses until the context ends. An address that this
// machine does not have yet is tried until it has.
func Serve(ctx context.Context, handler http.Handler, p paths.Paths, addresses []netip.AddrPort, log *slog.Logger) {
	var serving sync.WaitGroup
	for _, address := range addresses {
		serving.Go(func() {
			for ctx.Err() == nil {
				err := serve(ctx, handler, p, address)
				if ctx.Err() != nil {
					return
				}
				log.Warn("cannot show the health of the cluster", "address", address, "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Second):
				}
			}
		})
	}
	serving.Wait()
}

func serve(ctx context.Context, handler http.Handler, p paths.Paths, address netip.AddrPort) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address.String())
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
		BaseContext: func(net.Listener) context.Context { return ctx },
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			// Read each time: the certificate is renewed while the agent runs.
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(filepath.Join(p.Certificates(), "node.crt"), filepath.Join(p.Certificates(), "node.key"))
				return &pair, err
			},
		},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err = server.ServeTLS(netutil.LimitListener(listener, maxConnections), "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
