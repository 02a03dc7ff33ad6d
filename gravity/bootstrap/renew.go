package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	roster "github.com/gravity-platform/terraform-provider-gravity/gravity/member"
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
	if len(from.addresses) == 0 {
		return nil, refuse(http.StatusForbidden, errors.New("the certificate has no address"))
	}
	n := &node.Node{Name: from.name, Master: from.master, Address: from.addresses[len(from.addresses)-1]}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	// A machine that never came to be a node keeps its certificate until it ends.
	records, err := roster.Records(r.Context(), client)
	if err != nil {
		return nil, err
	}
	if record, found := records[from.name]; !found || !slices.Contains(from.addresses, record.Address) {
		return nil, refuse(http.StatusForbidden, fmt.Errorf("node %s is not a member of the cluster", from.name))
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
