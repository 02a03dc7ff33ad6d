package expand

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
)

// Entry is what a machine has that was admitted: nothing of it is on disk yet.
type Entry struct {
	*bootstrap.Answer
	request        bootstrap.Request
	peers          []string
	authority, key []byte // PEM
	pair           tls.Certificate
}

// Enter lets a master admit this machine. After it, the token is not needed any
// more.
func Enter(ctx context.Context, peers []string, given token.Token, request bootstrap.Request) (*Entry, error) {
	authority, err := bootstrap.Trust(ctx, peers, given)
	if err != nil {
		return nil, err
	}
	wanted, key, err := certificate.NewRequest()
	if err != nil {
		return nil, err
	}
	answer, err := bootstrap.Join(ctx, peers, authority, given, request, wanted)
	if err != nil {
		return nil, err
	}
	e := &Entry{Answer: answer, request: request, peers: peers, authority: authority, key: key}
	if e.pair, err = tls.X509KeyPair(answer.Certificate, key); err != nil {
		return nil, fmt.Errorf("the certificate from the master: %w", err)
	}
	if _, ok := e.pair.PrivateKey.(*ecdsa.PrivateKey); !ok {
		return nil, errors.New("the certificate from the master has another key")
	}
	return e, nil
}

// Write writes the node's certificate and the authority's where the node has them.
func (e *Entry) Write(p paths.Paths) error {
	if err := os.MkdirAll(p.Certificates(), 0o700); err != nil {
		return err
	}
	files := certificate.FilesOf(p)
	for _, file := range []struct {
		path    string
		content []byte
	}{{files.Key, e.key}, {files.Authority, e.authority}, {files.Certificate, e.Certificate}} {
		if err := paths.WriteFile(file.path, file.content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Abandon tells masters that this machine does not join, also if the caller was
// interrupted.
func (e *Entry) Abandon(ctx context.Context) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(e.authority)
	client := bootstrap.NewClient(e.peers, &tls.Config{Certificates: []tls.Certificate{e.pair}, RootCAs: pool, MinVersion: tls.VersionTLS13})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	return client.Step(ctx, bootstrap.StepAbandon, e.request, e.Master, nil)
}
