package rpc

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// authority makes files of a node below a new authority, or one of two nodes.
func authority(t *testing.T, dir, name string, now time.Time) certificate.Files {
	t.Helper()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca, err := certificate.EnsureAuthority(file("ca.crt"), file("ca.key"), now)
	if err != nil {
		t.Fatal(err)
	}
	files := certificate.Files{Authority: file("ca.crt"), Certificate: file(name + ".crt"), Key: file(name + ".key")}
	request := certificate.Request{Name: name, Organization: certificate.Organization, Addresses: []netip.Addr{loopback}}
	if _, err := ca.Ensure(request, files.Certificate, files.Key, now); err != nil {
		t.Fatal(err)
	}
	return files
}

// host is a node whose executors are functions.
type host struct {
	executor operation.Executor
	info     Info
	depart   func(Departure) (*Departing, error)

	restarts atomic.Int32
	mu       sync.Mutex
	deployed []byte
}

func (h *host) Identify(shown *x509.Certificate) (Caller, error) {
	name := shown.Subject.CommonName
	return Caller{Node: name, Master: strings.HasPrefix(name, "master")}, nil
}

func (h *host) Executors(operationType string) (operation.Executors, error) {
	if operationType != operation.TypeUpdate {
		return nil, fmt.Errorf("no executors of %s", operationType)
	}
	return func(_ context.Context, _ *operation.Plan, phase operation.Phase, log operation.Logger) (operation.Executor, error) {
		if phase.Executor == "unknown" {
			return nil, errors.New("no such executor")
		}
		if told, ok := h.executor.(*talker); ok {
			told.log = log
		}
		return h.executor, nil
	}, nil
}

func (h *host) Local(server operation.Server) bool                        { return server.AdvertiseIP == loopback.String() }
func (h *host) Info() Info                                                { return h.info }
func (h *host) Depart(_ context.Context, d Departure) (*Departing, error) { return h.depart(d) }
func (h *host) Wipe(context.Context) (string, error)                      { return "busy", nil }
func (h *host) Withdraw(context.Context) error                            { return nil }
func (h *host) MembershipKey(epoch string) ([]byte, error)                { return []byte("key" + epoch), nil }
func (h *host) Restart()                                                  { h.restarts.Add(1) }

func (h *host) Deploy(_ context.Context, program Program) error {
	content, err := io.ReadAll(program)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != program.Digest {
		return errors.New("the digest is another")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deployed = content
	return nil
}

// functions is an executor.
type functions struct {
	done              func(context.Context) (bool, error)
	execute, rollback func(context.Context) error
}

func (f *functions) Done(ctx context.Context) (bool, error) { return f.done(ctx) }
func (f *functions) Execute(ctx context.Context) error      { return f.execute(ctx) }
func (f *functions) Rollback(ctx context.Context) error     { return f.rollback(ctx) }

// talker has checks, and a log.
type talker struct {
	functions
	log operation.Logger
}

func (t *talker) PreCheck(context.Context) error  { return errors.New("not before") }
func (t *talker) PostCheck(context.Context) error { return nil }

// wire is a server behind a listener whose connections can be cut.
type wire struct {
	net.Listener
	mu   sync.Mutex
	open []net.Conn
}

func (w *wire) Accept() (net.Conn, error) {
	connection, err := w.Listener.Accept()
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open = append(w.open, connection)
	}
	return connection, err
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, connection := range w.open {
		_ = connection.Close()
	}
	w.open = nil
}

func (w *wire) address() netip.AddrPort { return netip.MustParseAddrPort(w.Addr().String()) }

// serve serves until the test ends.
func serve(t *testing.T, files certificate.Files, h Host, address string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: listener}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, w, files, h, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return w
}

func plan() *operation.Plan {
	server := &operation.Server{AdvertiseIP: loopback.String(), Hostname: "node-1"}
	elsewhere := &operation.Server{AdvertiseIP: "192.0.2.7", Hostname: "node-2"}
	return &operation.Plan{
		OperationID: "update-1", OperationType: operation.TypeUpdate, ClusterName: "test",
		Phases: []operation.Phase{
			{ID: "/one", Executor: "one", Data: &operation.Data{Server: server}},
			{ID: "/other", Executor: "unknown", Data: &operation.Data{Server: server}},
			{ID: "/far", Executor: "one", Data: &operation.Data{Server: elsewhere}},
		},
		CreatedAt: time.Now().UTC(),
	}
}

// dial makes the executor of the first phase.
func dial(t *testing.T, files certificate.Files, w *wire, log operation.Logger) (operation.Executor, error) {
	t.Helper()
	remote := NewRemote(files)
	remote.port = w.address().Port()
	t.Cleanup(func() { _ = remote.Close() })
	p := plan()
	return remote.Executor(t.Context(), *p.Phases[0].Server(), p, p.Phases[0], log)
}

func mustDial(t *testing.T, files certificate.Files, w *wire) operation.Executor {
	t.Helper()
	executor, err := dial(t, files, w, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return executor
}

// lines keeps a log.
type lines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lines) add(level, message string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSuffix(fmt.Sprintln(append([]any{level, message}, args[2:]...)...), "\n"))
}
func (l *lines) Debug(message string, args ...any) { l.add("debug", message, args) }
func (l *lines) Info(message string, args ...any)  { l.add("info", message, args) }
func (l *lines) Warn(message string, args ...any)  { l.add("warn", message, args) }

func TestExecutor(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	executor := &talker{}
	executor.functions = functions{
		done: func(context.Context) (bool, error) { return true, nil },
		execute: func(context.Context) error {
			executor.log.Info("half", "percent", 50)
			executor.log.Debug("all")
			return cli.WithHint(errors.New("no room"), "make some")
		},
		rollback: func(context.Context) error { panic("of course") },
	}
	w := serve(t, files, &host{executor: executor}, "127.0.0.1:0")
	log := &lines{}
	remote, err := dial(t, files, w, log)
	if err != nil {
		t.Fatal(err)
	}
	if is, err := remote.Done(t.Context()); !is || err != nil {
		t.Errorf("done: %t, %v", is, err)
	}
	err = remote.Execute(t.Context())
	if err == nil || err.Error() != "no room" || !slices.Equal(cli.Hints(err), []string{"make some"}) {
		t.Errorf("execute: %v, hints %q", err, cli.Hints(err))
	}
	if diff := cmp.Diff([]string{"info half percent 50", "debug all"}, log.lines); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	if err := remote.Rollback(t.Context()); err == nil || !strings.Contains(err.Error(), "panicked: of course") {
		t.Errorf("roll back: %v", err)
	}
	if checker, ok := remote.(operation.PreChecker); !ok || checker.PreCheck(t.Context()) == nil {
		t.Error("PreCheck is lost")
	}
	if checker, ok := remote.(operation.PostChecker); !ok || checker.PostCheck(t.Context()) != nil {
		t.Error("PostCheck is lost")
	}
}

func TestPlainExecutorHasNoChecks(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	w := serve(t, files, &host{executor: &functions{}}, "127.0.0.1:0")
	executor := mustDial(t, files, w)
	if _, ok := executor.(operation.PreChecker); ok {
		t.Error("it has a PreCheck")
	}
	if _, ok := executor.(operation.PostChecker); ok {
		t.Error("it has a PostCheck")
	}
}

// TestCutConnection cuts the connection in the middle of a phase: it goes on,
// and the caller gets its result and every line once.
func TestCutConnection(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	var runs atomic.Int32
	begun, resume := make(chan struct{}), make(chan struct{})
	executor := &talker{}
	executor.execute = func(context.Context) error {
		runs.Add(1)
		executor.log.Info("before")
		close(begun)
		<-resume
		executor.log.Info("after")
		return nil
	}
	w := serve(t, files, &host{executor: executor}, "127.0.0.1:0")
	log := &lines{}
	remote, err := dial(t, files, w, log)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- remote.Execute(context.Background()) }()
	<-begun
	for range 3 {
		w.cut()
	}
	close(resume)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if runs.Load() != 1 {
		t.Errorf("the phase was executed %d times", runs.Load())
	}
	told := slices.DeleteFunc(log.lines, func(line string) bool { return strings.HasPrefix(line, "warn") })
	if diff := cmp.Diff([]string{"info before", "info after"}, told); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

// TestOtherCaller finds what a caller that died had begun.
func TestOtherCaller(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	var runs, running, asked atomic.Int32
	begun, resume := make(chan struct{}), make(chan struct{})
	executor := &functions{
		execute: func(context.Context) error {
			if running.Add(1) > 1 {
				t.Error("the phase is executed twice at a time")
			}
			defer running.Add(-1)
			if runs.Add(1) == 1 {
				close(begun)
				<-resume
			}
			return nil
		},
		done: func(context.Context) (bool, error) {
			if running.Load() > 0 {
				t.Error("Done was asked in the middle of the phase")
			}
			asked.Add(1)
			return runs.Load() > 0, nil
		},
	}
	w := serve(t, files, &host{executor: executor}, "127.0.0.1:0")
	first, second := mustDial(t, files, w), mustDial(t, files, w)
	ended := make(chan error, 3)
	go func() { ended <- first.Execute(context.Background()) }()
	<-begun
	go func() { ended <- second.Execute(context.Background()) }()
	go func() {
		is, err := second.Done(context.Background())
		if err == nil && !is {
			err = errors.New("it is not done")
		}
		ended <- err
	}()
	close(resume)
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("Done was asked %d times", asked.Load())
	}
}

// TestAgentEnds ends the agent in the middle of a phase: another one executes it
// again.
func TestAgentEnds(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	var runs atomic.Int32
	begun := make(chan struct{})
	executor := &functions{execute: func(ctx context.Context) error {
		if runs.Add(1) > 1 {
			return nil
		}
		close(begun)
		select {} // as a process that dies
	}}
	w := serve(t, files, &host{executor: executor}, "127.0.0.1:0")
	remote := mustDial(t, files, w)
	ended := make(chan error, 1)
	go func() { ended <- remote.Execute(context.Background()) }()
	<-begun
	address := w.Addr().String()
	_ = w.Close() // nobody listens any more, and all that was known is lost
	w.cut()
	serve(t, files, &host{executor: executor}, address)
	if err := <-ended; err != nil || runs.Load() != 2 {
		t.Errorf("%v after %d times", err, runs.Load())
	}
}

func TestCancel(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	begun, over := make(chan struct{}), make(chan struct{})
	executor := &functions{execute: func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		close(over)
		return ctx.Err()
	}}
	w := serve(t, files, &host{executor: executor}, "127.0.0.1:0")
	remote := mustDial(t, files, w)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	err := remote.Execute(ctx)
	select {
	case <-over:
	default:
		t.Error("the call returned before the phase had ended")
	}
	if err == nil || !strings.Contains(err.Error(), "cancelled") {
		t.Errorf("the error is %v", err)
	}
}

func TestRollbackCancelsExecute(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	begun := make(chan struct{})
	var running, both atomic.Bool
	executor := &functions{
		execute: func(ctx context.Context) error {
			running.Store(true)
			defer running.Store(false)
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		},
		rollback: func(context.Context) error { both.Store(running.Load()); return nil },
	}
	w := serve(t, files, &host{executor: executor}, "127.0.0.1:0")
	first, second := mustDial(t, files, w), mustDial(t, files, w)
	ended := make(chan error, 1)
	go func() { ended <- first.Execute(context.Background()) }()
	<-begun
	if err := second.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("execute succeeded")
	}
	if both.Load() {
		t.Error("both were done at the same time")
	}
}

func TestWrongPhase(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	w := serve(t, files, &host{executor: &functions{}}, "127.0.0.1:0")
	remote := NewRemote(files)
	remote.port = w.address().Port()
	defer remote.Close()
	p := plan()
	server := *p.Phases[0].Server()
	for i, want := range map[int]string{1: "no such executor", 2: `phase "/far" is not for this node`} {
		_, err := remote.Executor(t.Context(), server, p, p.Phases[i], slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("phase %s: %v, want %q", p.Phases[i].ID, err, want)
		}
	}
}

func TestDeploy(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	h := &host{info: Info{Digest: "aa", Deployed: true}}
	w := serve(t, files, h, "127.0.0.1:0")
	client, err := Dial(files, w.address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	content := strings.Repeat("program", 100_000)
	sum := sha256.Sum256([]byte(content))
	if err := client.Deploy(t.Context(), strings.NewReader(content), hex.EncodeToString(sum[:])); err != nil {
		t.Fatal(err)
	}
	if string(h.deployed) != content {
		t.Errorf("%d bytes arrived, want %d", len(h.deployed), len(content))
	}
	if err := client.Deploy(t.Context(), strings.NewReader("else"), "bb"); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("another digest: %v", err)
	}
	if err := client.Deploy(t.Context(), strings.NewReader("never read"), "aa"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := client.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if h.restarts.Load() != 2 {
		t.Errorf("it was restarted %d times, want 2", h.restarts.Load())
	}
}
