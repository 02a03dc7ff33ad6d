package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// serverTLS reads the files for each connection, since they are renewed.
func serverTLS(files certificate.Files) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			config, err := files.TLS()
			if err != nil {
				return nil, err
			}
			config.NextProtos = []string{"h2"}
			return config, nil
		},
	}
}

// clientTLS is for one server, which is known by its address.
func clientTLS(files certificate.Files, address netip.Addr) (*tls.Config, error) {
	config, err := files.TLS()
	if err != nil {
		return nil, err
	}
	// The other side would only cut the connection.
	if end := config.Certificates[0].Leaf.NotAfter; time.Now().After(end) {
		return nil, fmt.Errorf("the certificate %s has expired on %s", files.Certificate, end.Format(time.DateOnly))
	}
	config.NextProtos, config.ServerName = []string{"h2"}, address.String()
	return config, nil
}

// Caller is who makes a call.
type Caller struct {
	// Node is the name of the node, Master whether it is one.
	Node   string
	Master bool
	// Removed tells that the node was removed from the cluster after it got the
	// certificate.
	Removed bool
}

// Identify tells who has a certificate. A master's says so, and has the address
// of one in it: one that was removed is obeyed no more. A node that was removed
// may ask for nothing.
func Identify(p paths.Paths, shown *x509.Certificate) (Caller, error) {
	if !slices.Contains(shown.Subject.Organization, certificate.Organization) {
		return Caller{}, errors.New("the certificate is not that of a node")
	}
	caller := Caller{Node: shown.Subject.CommonName}
	removals, err := node.ReadRemovals(p)
	if err != nil {
		return Caller{}, err
	}
	if removals.Void(caller.Node, certificate.Issued(shown)) {
		caller.Removed = true
		return caller, nil
	}
	if !slices.Contains(shown.Subject.OrganizationalUnit, certificate.UnitMaster) {
		return caller, nil
	}
	masters, err := node.ReadMasters(p)
	if err != nil {
		return Caller{}, err
	}
	for _, ip := range shown.IPAddresses {
		address, _ := netip.AddrFromSlice(ip)
		if address = address.Unmap(); !address.IsLoopback() && slices.Contains(masters, address) {
			caller.Master = true
		}
	}
	return caller, nil
}
