package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"
)

// SignClient makes a certificate for a client alone, and its key, by an authority
// that need not be gravity's, such as kubeadm's: PEM of both. It is never good for
// longer than the authority is, and not made by one that has expired. Names and
// addresses of servers do not count.
func SignClient(authorityFile, authorityKeyFile string, request Request, now time.Time) ([]byte, error) {
	authority, err := tls.LoadX509KeyPair(authorityFile, authorityKeyFile)
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", authorityFile, err)
	}
	end := now.Add(orLife(request.Life))
	if last := authority.Leaf.NotAfter; last.Before(end) {
		end = last
	}
	if !end.After(now) {
		return nil, fmt.Errorf("authority %s has expired on %s", authorityFile, end.Format(time.DateOnly))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	_, encoded, err := sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: request.Name, Organization: []string{request.Organization}},
		NotBefore:   now.Add(-backdate),
		NotAfter:    end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority.Leaf, &key.PublicKey, authority.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", request.Name, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(encoded, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}
