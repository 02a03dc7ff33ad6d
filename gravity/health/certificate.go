package health

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// certificateWarning is how long before its end a certificate is warned of.
const certificateWarning = 30 * 24 * time.Hour

// certificates looks at the ends of certificates.
type certificates struct {
	// files are patterns of PEM files and kubeconfigs; those that are not there
	// are left out.
	files []string
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
	var expired, soon []error
	var first time.Time
	for _, pattern := range c.files {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, file := range files {
			end, err := endOf(file)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue // it was removed just now
			case err != nil:
				return "", fmt.Errorf("%s: %w", file, err)
			case end.IsZero():
				continue
			case !now.Before(end):
				expired = append(expired, fmt.Errorf("%s has expired on %s", file, end.Format(time.DateOnly)))
			case end.Sub(now) < certificateWarning:
				soon = append(soon, fmt.Errorf("%s expires on %s", file, end.Format(time.DateOnly)))
			}
			if first.IsZero() || end.Before(first) {
				first = end
			}
		}
	}
	detail := ""
	if !first.IsZero() {
		detail = "the first one to expire does so on " + first.UTC().Format(time.DateOnly)
	}
	if len(expired) > 0 {
		return detail, errors.Join(expired...)
	}
	if len(soon) > 0 {
		return detail, warning{errors.Join(soon...)}
	}
	return detail, nil
}

// endOf is when the first certificate in a file expires, of a kubeconfig the
// client certificates in it; zero if it has none. A symbolic link leads to a
// file beside it: the kubelet's has a path inside the master container.
func endOf(file string) (time.Time, error) {
	if target, err := os.Readlink(file); err == nil {
		file = filepath.Join(filepath.Dir(file), filepath.Base(target))
	}
	if filepath.Ext(file) == ".conf" {
		return endOfKubeconfig(file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	return endOfPEM(content)
}

func endOfKubeconfig(file string) (first time.Time, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		return time.Time{}, err
	}
	for _, user := range config.AuthInfos {
		end, err := endOfPEM(user.ClientCertificateData)
		if err != nil {
			return time.Time{}, err
		}
		if !end.IsZero() && (first.IsZero() || end.Before(first)) {
			first = end
		}
	}
	return first, nil
}

// endOfPEM reads all certificates; keys that lie between them do not matter.
func endOfPEM(content []byte) (first time.Time, err error) {
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			return first, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, err
		}
		if first.IsZero() || certificate.NotAfter.Before(first) {
			first = certificate.NotAfter
		}
	}
}
