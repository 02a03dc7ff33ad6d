package upkeep

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// inside stands for the master container: kubeadm renews by do.
type inside struct {
	ran []string
	do  func()
}

func (i *inside) Exec(_ context.Context, command container.Command) (string, error) {
	line := strings.Join(command.Args, " ")
	switch {
	case strings.HasPrefix(line, "systemctl is-active"):
		return "", &container.CommandError{Args: command.Args, ExitCode: 3, Err: os.ErrNotExist}
	case strings.Contains(line, "containers list"):
		component := line[strings.Index(line, "==")+2:]
		return "id-of-" + component[:strings.Index(component, ",")] + "\n", nil
	case strings.Contains(line, "kubeadm certs renew all"):
		i.ran = append(i.ran, "renew")
		i.do()
	case strings.Contains(line, "tasks kill"):
		i.ran = append(i.ran, "kill "+command.Args[len(command.Args)-1])
	case strings.Contains(line, "kubelet"):
		i.ran = append(i.ran, "kubelet")
	case strings.Contains(line, "registry"):
		i.ran = append(i.ran, "registry")
	}
	return "", nil
}

// TestRenew renews what a master has when a third of it is left, and starts anew
// what does not read it again.
func TestRenew(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	n := &node.Node{Cluster: "test", Name: "node-1", Address: netip.MustParseAddr("10.0.0.1"), Master: true, Runtime: "1.37.2"}
	u := &Upkeep{Paths: p, Node: n, Log: slog.New(slog.DiscardHandler)}
	write := func(file string, life time.Duration) {
		t.Helper()
		if err := certificate.SelfSigned(certificate.Request{Name: "a", Life: life}, file, filepath.Join(t.TempDir(), "key"), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	const day = 24 * time.Hour
	server, etcd := p.KubernetesFile("pki", "apiserver.crt"), p.KubernetesFile("pki", "etcd", "peer.crt")
	write(server, 365*day)
	write(etcd, 365*day)
	if err := install.EnsureCertificates(p, n, time.Now().Add(-243*day)); err != nil {
		t.Fatal(err)
	}
	if err := paths.WriteFile(p.KubernetesFile("initialized"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in := &inside{do: func() { write(server, 365*day); write(etcd, 365*day) }}
	round := func(what string, want ...string) {
		t.Helper()
		in.ran = nil
		if err := u.renewOwn(t.Context(), in); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err := u.renewControlPlane(t.Context(), in); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := strings.Join(in.ran, ", "); got != strings.Join(want, ", ") {
			t.Errorf("%s: it did %s, want %s", what, got, strings.Join(want, ", "))
		}
	}
	const manager, scheduler = "kill id-of-kube-controller-manager", "kill id-of-kube-scheduler"
	round("all are good")
	write(etcd, 121*day)
	round("a third is left", "renew", manager, scheduler)
	round("after that")
	write(etcd, time.Minute)
	round("nearly over", "renew", manager, scheduler, "kill id-of-kube-apiserver")
	// A process that was killed before all was started anew.
	if err := paths.WriteFile(p.KubernetesFile("renewing"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	round("interrupted", manager, scheduler, "kill id-of-kube-apiserver")
	// The node's own: the registry reads it once.
	n.CertificateLifetime = 400 * day
	round("the own one is due", "registry")
	round("after all that")
}

// TestRenewByWrongClock renews the certificate of a node that has joined again under
// its old name, by a clock that is behind its removal: it stays a node of the cluster.
func TestRenewByWrongClock(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	n := &node.Node{Cluster: "test", Name: "node-3", Address: netip.MustParseAddr("10.0.0.3"), Master: true}
	u := &Upkeep{Paths: p, Node: n, Log: slog.New(slog.DiscardHandler)}
	now := time.Now().Truncate(time.Second)
	removals := node.Removals{"node-3": now.Add(24 * time.Hour)}
	if err := install.EnsureCertificates(p, n, now.Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := removals.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := u.renewOwn(t.Context(), &inside{}); err != nil {
		t.Fatal(err)
	}
	leaf, err := certificate.FilesOf(p).Leaf()
	if err != nil {
		t.Fatal(err)
	}
	if leaf.NotBefore.After(now) {
		t.Errorf("it is good from %s, and it is %s", leaf.NotBefore, now)
	}
	if issued := certificate.Issued(leaf); removals.Void("node-3", issued) {
		t.Errorf("it counts as issued at %s, and is void", issued)
	}
	// When the clock is right again nothing is left of that.
	if err := install.EnsureCertificates(p, n, now.Add(300*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if leaf, err = certificate.FilesOf(p).Leaf(); err != nil || len(leaf.URIs) > 0 || !certificate.Issued(leaf).Equal(now.Add(300*24*time.Hour)) {
		t.Errorf("it counts as issued at %s, %v", certificate.Issued(leaf), err)
	}
}

// TestKubelet has a kubelet start anew that gets another client certificate.
func TestKubelet(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	u := &Upkeep{Paths: p, Node: &node.Node{Name: "node-1", Master: true}, Log: slog.New(slog.DiscardHandler)}
	if _, err := certificate.EnsureAuthority(p.KubernetesFile("pki", "ca.crt"), p.KubernetesFile("pki", "ca.key"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := paths.WriteFile(p.KubernetesFile("initialized"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	current := filepath.Join(p.Kubelet(), "pki", "kubelet-client-current.pem")
	if err := paths.Link("/var/lib/kubelet/pki/lost.pem", current); err != nil {
		t.Fatal(err)
	}
	in := &inside{}
	for range 2 {
		if err := u.renewKubelet(t.Context(), in); err != nil || strings.Join(in.ran, " ") != "kubelet" {
			t.Errorf("%v, it did %v", err, in.ran)
		}
	}
}

// TestServing renews what the kubelet signed itself, and leaves alone what it does
// not have.
func TestServing(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	u := &Upkeep{Paths: p, Node: &node.Node{Name: "node-3"}, Log: slog.New(slog.DiscardHandler)}
	if err := u.renewServing(time.Now()); err != nil {
		t.Error(err)
	}
	file := func(name string) string { return filepath.Join(p.Kubelet(), "pki", name) }
	if err := certificate.SelfSigned(certificate.Request{Name: "old"}, file("kubelet.crt"), file("kubelet.key"), time.Now()); err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for _, test := range []struct {
		after time.Duration
		want  string
	}{{243 * day, "old"}, {244 * day, "node-3"}, {244 * day, "node-3"}} {
		if err := u.renewServing(time.Now().Add(test.after)); err != nil {
			t.Fatal(err)
		}
		leaf, err := certificate.ReadFirst(file("kubelet.crt"))
		if err != nil || leaf.Subject.CommonName != test.want {
			t.Errorf("after %s it is that of %s, %v", test.after, leaf.Subject, err)
		}
	}
}
