package upkeep

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// executor runs programs inside the master container.
type executor interface {
	Exec(ctx context.Context, command container.Command) (string, error)
}

// Certificates renews the certificates of this node when a third of their lifetime
// is left, and starts anew what does not read them again: gravity's own, of which
// masters sign those of other nodes; all that kubeadm made on a master; and what
// the kubelet serves with. The kubelet renews the one that it shows to API servers; if
// it could not, since the machine was off for too long, a master signs it.
func (u *Upkeep) Certificates(ctx context.Context) error {
	life := u.Node.CertificateLifetime
	if life <= 0 {
		life = certificate.Life
	}
	interval := min(max(life/60, 2*time.Second), time.Minute)
	return every(ctx, interval, u.Log, "renew certificates", func(ctx context.Context) error {
		if _, err := os.Stat(u.Paths.Dismissal()); err == nil {
			return nil // nobody would sign them
		}
		in := container.New(u.Paths)
		return errors.Join(u.renewOwn(ctx, in), u.renewServing(time.Now()), u.renewKubelet(ctx, in), u.renewControlPlane(ctx, in))
	})
}

// renewOwn renews the certificate of agent and registry.
func (u *Upkeep) renewOwn(ctx context.Context, in executor) error {
	files := certificate.FilesOf(u.Paths)
	leaf, err := files.Leaf()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the node is being made, or removed
	}
	if err == nil && !certificate.Due(leaf, u.Node.CertificateLifetime, time.Now()) {
		return u.restartRegistry(ctx, in, leaf)
	}
	if u.Node.Master {
		// Also where the files are damaged: a process may have been killed between them.
		err = install.EnsureCertificates(u.Paths, u.Node, time.Now())
	} else if err == nil {
		err = u.ask(ctx, files)
	}
	if err != nil {
		return fmt.Errorf("renew %s: %w", files.Certificate, err)
	}
	if leaf, err = files.Leaf(); err != nil {
		return err
	}
	u.Log.Info("the node's certificate was renewed", "expires", leaf.NotAfter)
	return u.restartRegistry(ctx, in, leaf)
}

// ask lets a master sign another certificate.
func (u *Upkeep) ask(ctx context.Context, files certificate.Files) error {
	request, err := files.NewRequest()
	if err != nil {
		return err
	}
	client, err := bootstrap.Open(u.Paths)
	if err != nil {
		return err
	}
	defer client.Close()
	signed, err := client.Renew(ctx, request)
	if err != nil {
		return err
	}
	if err := files.Check(signed); err != nil {
		return fmt.Errorf("the certificate from the master: %w", err)
	}
	return paths.WriteFile(files.Certificate, signed, 0o600)
}

// restartRegistry starts the registry anew if it began with another certificate.
func (u *Upkeep) restartRegistry(ctx context.Context, in executor, leaf *x509.Certificate) error {
	if !u.Node.Master {
		return nil
	}
	served := u.Paths.RegistryCertificate()
	serial := leaf.SerialNumber.String() + "\n"
	known, err := os.ReadFile(served)
	if err == nil && string(known) == serial {
		return nil
	}
	// The first registry begins with the first certificate, and one that does not run
	// with the new one.
	if err == nil {
		if _, err := in.Exec(ctx, container.Command{Args: []string{"systemctl", "try-restart", "registry"}}); err != nil {
			return err
		}
	}
	return paths.WriteFile(served, []byte(serial), 0o600)
}

// renewServing renews what the kubelet signed itself and serves with. It reads it
// again by itself. Nobody checks who signed it: it is found by its address, over a
// network that carries it.
func (u *Upkeep) renewServing(now time.Time) error {
	file := func(name string) string { return filepath.Join(u.Paths.Kubelet(), "pki", name) }
	leaf, err := certificate.ReadFirst(file("kubelet.crt"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there will be one, or the site has its own
	}
	if err != nil {
		return err
	}
	if !certificate.Due(leaf, u.Node.CertificateLifetime, now) {
		return nil
	}
	err = certificate.SelfSigned(certificate.Request{Name: u.Node.Name, DNS: []string{u.Node.Name}, Life: u.Node.CertificateLifetime},
		file("kubelet.crt"), file("kubelet.key"), now)
	if err == nil {
		u.Log.Info("the kubelet's serving certificate was renewed")
	}
	return err
}

// renewKubelet renews what the kubelet of a master has not renewed in time. It reads
// it when it starts.
func (u *Upkeep) renewKubelet(ctx context.Context, in executor) error {
	written, err := kubeadm.RenewKubelet(u.Paths, u.Node, time.Now())
	if err != nil || !written {
		return err
	}
	u.Log.Info("the kubelet's client certificate was renewed")
	_, err = in.Exec(ctx, container.Command{Args: []string{"systemctl", "try-restart", "kubelet"}})
	return err
}

// renewControlPlane renews what kubeadm made.
func (u *Upkeep) renewControlPlane(ctx context.Context, in executor) error {
	if !u.Node.Master || !kubeadm.Initialized(u.Paths) {
		return nil
	}
	// It tells that not all has been started anew since the last time.
	begun := u.Paths.KubernetesFile("renewing")
	content, err := os.ReadFile(begun)
	again := err == nil
	first, err := u.firstEnd()
	if err != nil {
		return err
	}
	now := time.Now()
	if first != nil && certificate.Due(first, u.Node.CertificateLifetime, now) {
		content = []byte(first.NotAfter.UTC().Format(time.RFC3339))
		if err := paths.WriteFile(begun, content, 0o600); err != nil {
			return err
		}
		log, err := kubeadm.OpenLog(u.Paths)
		if err != nil {
			return err
		}
		if err := errors.Join(kubeadm.Renew(ctx, in, u.Node, log), log.Close()); err != nil {
			return err
		}
		u.Log.Info("the certificates of the control plane were renewed")
	} else if !again {
		return nil
	}
	if err := install.RefreshAccess(u.Paths, u.Node.Address.String()); err != nil {
		return err
	}
	// API servers and etcd read theirs again, an API server within five minutes. The
	// others have theirs in a kubeconfig, which they read once.
	components := []string{"kube-controller-manager", "kube-scheduler"}
	if end, err := time.Parse(time.RFC3339, string(content)); err != nil || end.Sub(now) < reloadTime {
		components = append(components, "kube-apiserver")
	}
	for _, component := range components {
		if err := restart(ctx, in, component); err != nil {
			return err
		}
	}
	return os.Remove(begun)
}

// reloadTime is twice the time that an API server takes to read again with which
// certificates it speaks to kubelets.
const reloadTime = 10 * time.Minute

// firstEnd is that of kubeadm's certificates on this master which expires first.
func (u *Upkeep) firstEnd() (*x509.Certificate, error) {
	var first *x509.Certificate
	for _, pattern := range []string{
		u.Paths.KubernetesFile("pki", "*.crt"), u.Paths.KubernetesFile("pki", "etcd", "*.crt"), u.Paths.KubernetesFile("*.conf"),
	} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if filepath.Base(file) == "kubelet.conf" {
				continue // it leads to what the kubelet renews
			}
			found, err := certificate.ReadFirst(file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if found != nil && !found.IsCA && (first == nil || found.NotAfter.Before(first.NotAfter)) {
				first = found
			}
		}
	}
	return first, nil
}

// restart ends the container of a static pod; the kubelet makes another.
func restart(ctx context.Context, in executor, component string) error {
	ctr := []string{"ctr", "--namespace=k8s.io"}
	text, err := in.Exec(ctx, container.Command{Args: append(ctr, "containers", "list", "--quiet",
		`labels."io.kubernetes.container.name"==`+component+`,labels."io.kubernetes.pod.namespace"==kube-system`)})
	if err != nil {
		return fmt.Errorf("restart %s: %w", component, err)
	}
	for id := range strings.FieldsSeq(text) {
		// Containers that have ended have no task.
		_, err := in.Exec(ctx, container.Command{Args: append(slices.Clip(ctr), "tasks", "kill", "--signal=SIGTERM", id)})
		if failed, ok := errors.AsType[*container.CommandError](err); err != nil && (!ok || !strings.Contains(failed.Tail, "not found")) {
			return fmt.Errorf("restart %s: %w", component, err)
		}
	}
	return nil
}
