package health

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// certificateWarning is how long before its end a certificate is warned of.
const certificateWarning = 30 * 24 * time.Hour

// certificates looks at the ends of certificates.
type certificates struct {
	// files are patterns of PEM files and kubeconfigs; those that are not there
	// are left out.
	files []string
	// node is whose they are.
	node *node.Node
	// now is the time; nil means the clock.
	now func() time.Time
}

// certificateFiles are those of a node: gravity's, kubeadm's and the kubelet's.
func certificateFiles(p paths.Paths) []string {
	return []string{
		filepath.Join(p.Certificates(), "*.crt"),
		p.KubernetesFile("pki", "*.crt"), p.KubernetesFile("pki", "etcd", "*.crt"), p.KubernetesFile("*.conf"),
		filepath.Join(p.Kubelet(), "pki", "kubelet-client-current.pem"),
	}
}

func (c certificates) check(context.Context) (string, error) {
	now := time.Now()
	if c.now != nil {
		now = c.now()
	}
	var wrong, soon []error
	expired := false
	var first time.Time
	for _, pattern := range c.files {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, file := range files {
			found, err := read(file)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue // it was removed just now
			case err != nil:
				return "", err
			case found == nil:
				continue
			}
			warned, err := judge(file, found, now)
			if warned {
				soon = append(soon, err)
			} else if err != nil {
				wrong = append(wrong, err)
			}
			expired = expired || !found.IsCA && !found.NotAfter.After(now)
			if first.IsZero() || found.NotAfter.Before(first) {
				first = found.NotAfter
			}
		}
	}
	detail := ""
	if !first.IsZero() {
		detail = "the first one to expire does so on " + first.UTC().Format(time.DateOnly)
	}
	if len(wrong) > 0 {
		err := fmt.Errorf("by this machine's clock it is %s: %w", now.UTC().Format(time.DateTime), errors.Join(wrong...))
		if expired && !c.node.Master {
			// No master believes it any more, so none signs another.
			err = fmt.Errorf("%w; if the clock is right, remove the node with 'gravity remove %s --force' on a master and "+
				"'gravity leave --force' here, and join again", err, c.node.Name)
		}
		return detail, err
	}
	if len(soon) > 0 {
		return detail, warning{errors.Join(soon...)}
	}
	return detail, nil
}

// judge says what is wrong with a certificate, and whether that is only a warning.
func judge(file string, found *x509.Certificate, now time.Time) (warned bool, err error) {
	const wayOut = "nodes renew it by themselves, see 'journalctl -u gravity-agent'"
	whose := wayOut
	if found.IsCA {
		whose = "nobody renews an authority: install a new cluster before that and move the application"
	}
	switch left := found.NotAfter.Sub(now); {
	case now.Before(found.NotBefore):
		return false, fmt.Errorf("%s is good from %s only: the clock was ahead when it was made, or is behind now", file, found.NotBefore.Format(time.DateOnly))
	case left <= 0:
		return false, fmt.Errorf("%s has expired on %s, unless the clock is wrong", file, found.NotAfter.Format(time.DateOnly))
	case left < min(certificateWarning, found.NotAfter.Sub(found.NotBefore)/12):
		return true, fmt.Errorf("%s expires on %s; %s", file, found.NotAfter.Format(time.DateOnly), whose)
	}
	return false, nil
}

// read reads the certificate of a file that expires first. A symbolic link leads to
// a file beside it: the kubelet's has a path inside the master container.
func read(file string) (*x509.Certificate, error) {
	if target, err := os.Readlink(file); err == nil {
		file = filepath.Join(filepath.Dir(file), filepath.Base(target))
	}
	return certificate.ReadFirst(file)
}
