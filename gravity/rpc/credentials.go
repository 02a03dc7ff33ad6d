package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Files are PEM files: the authority of both sides, and the certificate and key
// of this one. They are read for each connection, since they are renewed.
type Files struct {
	Authority, Certificate, Key string
}

// FilesOf are the files of a node.
func FilesOf(p paths.Paths) Files {
	file := func(name string) string { return filepath.Join(p.Certificates(), name) }
	return Files{Authority: file("ca.crt"), Certificate: file("node.crt"), Key: file("node.key")}
}

func (f Files) load() (*tls.Certificate, *x509.CertPool, error) {
	certificate, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, nil, err
	}
	content, err := os.ReadFile(f.Authority)
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, nil, fmt.Errorf("%s has no certificate", f.Authority)
	}
	return &certificate, pool, nil
}

func (f Files) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			certificate, pool, err := f.load()
			if err != nil {
				return nil, err
			}
			return &tls.Config{
				MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{*certificate},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
			}, nil
		},
	}
}

// client is for one server, which is known by its address.
func (f Files) client(address netip.Addr) (*tls.Config, error) {
	certificate, pool, err := f.load()
	if err != nil {
		return nil, err
	}
	// The other side would only cut the connection.
	if now := time.Now(); now.After(certificate.Leaf.NotAfter) {
		return nil, fmt.Errorf("the certificate %s has expired on %s", f.Certificate, certificate.Leaf.NotAfter.Format(time.DateOnly))
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{*certificate},
		RootCAs: pool, ServerName: address.String(),
	}, nil
}

// Caller is who makes a call.
type Caller struct {
	// Node is the name of the node, Master whether it is one.
	Node   string
	Master bool
}

// nodesGroup is what certificates of nodes have as organization.
const nodesGroup = "gravity:nodes"

// Identify tells who has a certificate: a master is a node whose certificate
// has an address of a master in it. The authority vouches for addresses.
func Identify(p paths.Paths, certificate *x509.Certificate) (Caller, error) {
	if !slices.Contains(certificate.Subject.Organization, nodesGroup) {
		return Caller{}, errors.New("the certificate is not that of a node")
	}
	caller := Caller{Node: certificate.Subject.CommonName}
	masters, err := balancer.ReadMasters(p.Masters())
	if err != nil {
		return Caller{}, err
	}
	for _, ip := range certificate.IPAddresses {
		address, _ := netip.AddrFromSlice(ip)
		if address.IsLoopback() {
			continue // every node's
		}
		for _, master := range masters {
			if known, err := netip.ParseAddrPort(master); err == nil && known.Addr().Unmap() == address.Unmap() {
				caller.Master = true
			}
		}
	}
	return caller, nil
}
