package bootstrap

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// certificateRequest asks for another certificate in place of the one that is
// shown.
type certificateRequest struct {
	// Certificate is a request for one: PEM.
	Certificate []byte `json:"certificate"`
}

type certificateAnswer struct {
	// Certificate is the new one: PEM.
	Certificate []byte `json:"certificate"`
}

// certificate signs another certificate for a node, with the name, the addresses
// and the rank of the one that it shows.
func (s *Server) certificate(w http.ResponseWriter, r *http.Request, from caller) (any, error) {
	var request certificateRequest
	if err := decode(w, r, &request); err != nil {
		return nil, err
	}
	n := &node.Node{Name: from.name, Master: from.master}
	for _, ip := range r.TLS.PeerCertificates[0].IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok && !address.Unmap().IsLoopback() {
			n.Address = address.Unmap()
		}
	}
	if !n.Address.IsValid() {
		return nil, refuse(http.StatusForbidden, errors.New("the certificate has no address"))
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	facts, err := cluster.Read(r.Context(), client)
	if err != nil {
		return nil, err
	}
	n.CertificateLifetime = facts.CertificateLifetime
	authority, err := s.signer()
	if err != nil {
		return nil, err
	}
	removals, err := node.ReadRemovals(s.paths)
	if err != nil {
		return nil, err
	}
	now, wanted := time.Now(), certificate.ForNode(n)
	wanted.Issued = removals.Renewed(n.Name, now)
	signed, err := authority.Sign(request.Certificate, wanted, now)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, err)
	}
	s.log.Info("a certificate was renewed", "node", n.Name)
	return &certificateAnswer{signed}, nil
}

// Renew asks a master for another certificate for this node: PEM.
func (c *Client) Renew(ctx context.Context, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var answer certificateAnswer
	err := c.call(ctx, http.MethodPost, pathCertificate, &certificateRequest{request}, &answer)
	return answer.Certificate, err
}
