package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// ReadFirst reads the certificate in a PEM file, or the client's in a kubeconfig
// (by the name *.conf), that expires first; nil if there is none.
func ReadFirst(file string) (*x509.Certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(file) != ".conf" {
		first, err := parseFirst(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return first, nil
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var first *x509.Certificate
	for _, user := range config.AuthInfos {
		found, err := parseFirst(user.ClientCertificateData)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if found != nil && (first == nil || found.NotAfter.Before(first.NotAfter)) {
			first = found
		}
	}
	return first, nil
}

// parseFirst reads all certificates of PEM; keys that lie between them do not
// matter.
func parseFirst(content []byte) (first *x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			return first, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		found, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if first == nil || found.NotAfter.Before(first.NotAfter) {
			first = found
		}
	}
}

// SelfSigned makes a certificate that vouches for itself, and its key, in place of
// those in the files.
func SelfSigned(request Request, certificateFile, keyFile string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	own := &Authority{key: key, certificate: &x509.Certificate{Subject: pkix.Name{CommonName: request.Name}}}
	encoded, err := own.leaf(request, &key.PublicKey, now)
	if err != nil {
		return err
	}
	return write(certificateFile, encoded, keyFile, key)
}
