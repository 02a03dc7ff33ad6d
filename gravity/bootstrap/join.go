package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	roster "github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

const tokenHint = "see the token with 'gravity status' on a master, or make one with 'gravity token create'"

// authority shows a machine with a token which authority to trust.
func (s *Server) authority(r *http.Request, request *authorityRequest) (any, error) {
	if len(request.Nonce) < 16 || len(request.Nonce) > 64 {
		return nil, refuse(http.StatusBadRequest, errors.New("the nonce has a wrong length"))
	}
	record, err := s.record(r.Context(), request.TokenID)
	if err != nil {
		return nil, err
	}
	authority, err := s.signer()
	if err != nil {
		return nil, err
	}
	answer := &authorityAnswer{Authority: authority.PEM(), Time: s.now().UTC()}
	answer.Proof = token.Proof(record.Key, answer.parts(request.Nonce)...)
	return answer, nil
}

func (s *Server) signer() (*certificate.Authority, error) {
	files := certificate.FilesOf(s.paths)
	return certificate.EnsureAuthority(files.Authority, files.AuthorityKey, time.Now())
}

func (s *Server) record(ctx context.Context, id string) (*token.Record, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	record, err := token.Find(ctx, client, id)
	return record, tokenError(err)
}

// tokenError makes an answer of what is wrong with a token.
func tokenError(err error) error {
	if errors.Is(err, token.ErrUnknown) || errors.Is(err, token.ErrExpired) {
		return refuse(http.StatusUnauthorized, cli.WithHint(err, tokenHint))
	}
	return err
}

// join lets a machine in that has a token.
func (s *Server) join(r *http.Request, request *joinRequest) (any, error) {
	ctx := r.Context()
	given, err := token.Parse(request.Token)
	if err != nil {
		return nil, refuse(http.StatusUnauthorized, err)
	}
	record, err := s.record(ctx, given.ID)
	if err != nil {
		return nil, err
	}
	s.hashing.Lock()
	err = record.Check(given, time.Now())
	s.hashing.Unlock()
	if err != nil {
		return nil, tokenError(err)
	}
	if err := operation.CheckID(request.Operation); err != nil {
		return nil, refuse(http.StatusBadRequest, err)
	}
	if own := version.Get().Version; request.Version != own {
		return nil, refuse(http.StatusConflict, cli.WithHint(fmt.Errorf("the cluster has gravity %s, and this is %s", own, request.Version),
			"use the gravity of a node, or of the bundle that was installed"))
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	facts, err := cluster.Read(ctx, client)
	if err != nil {
		return nil, err
	}
	admitted, err := s.admit(ctx, client, facts, request.Request)
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, client, facts, admitted, request.Certificate)
}

// admit makes a place among the joins, or finds the one that the operation has.
func (s *Server) admit(ctx context.Context, client *kube.Client, facts *cluster.Facts, request Request) (join, error) {
	m, err := s.application(client, facts).Manifest(ctx)
	if err != nil {
		return join{}, err
	}
	var admitted join
	err = changeJoins(ctx, client, time.Now, func(joins map[string]join) error {
		nodes, err := members(ctx, client)
		if err != nil {
			return err
		}
		a := &admission{facts: facts, manifest: m, members: nodes, joins: joins}
		if admitted, err = a.admit(request, time.Now().UTC()); err != nil {
			return refuse(http.StatusConflict, err)
		}
		for operation, j := range joins {
			if j.of(request) {
				delete(joins, operation)
			}
		}
		joins[request.Operation] = admitted
		return nil
	})
	if err == nil {
		err = confirm(ctx, client, request.Operation)
	}
	return admitted, err
}

func (s *Server) answer(ctx context.Context, client *kube.Client, facts *cluster.Facts, admitted join, request []byte) (*Answer, error) {
	authority, err := s.signer()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	signed, err := authority.Sign(request, certificate.ForNode(&node.Node{
		Name: admitted.Name, Address: admitted.Address, Master: admitted.Master, CertificateLifetime: facts.CertificateLifetime,
	}), now)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, err)
	}
	if err := roster.Readmit(ctx, client, admitted.Name, now.Truncate(time.Second)); err != nil {
		return nil, err
	}
	manifest, err := s.application(client, facts).ReadManifest(ctx)
	if err != nil {
		return nil, err
	}
	size, err := s.store.Bytes()
	if err != nil {
		return nil, err
	}
	view, err := s.view(ctx, client)
	if err != nil {
		return nil, err
	}
	s.log.Info("a node joins", "node", admitted.Name, "address", admitted.Address, "role", admitted.Role, "master", admitted.Master)
	return &Answer{
		Certificate: signed, Role: admitted.Role, Master: admitted.Master, Cluster: *facts, Manifest: manifest, Size: size, View: *view,
	}, nil
}

// view is what this master knows of the cluster.
func (s *Server) view(ctx context.Context, client *kube.Client) (*View, error) {
	masters, err := Masters(ctx, client)
	if err != nil {
		return nil, err
	}
	hosts, err := s.store.Hosts()
	if err != nil {
		return nil, err
	}
	removals, err := roster.Removals(ctx, client)
	if err != nil {
		return nil, err
	}
	return &View{Masters: masters, Hosts: hosts, Removals: removals}, nil
}

// Masters are the addresses of masters, sorted.
func Masters(ctx context.Context, client *kube.Client) ([]netip.Addr, error) {
	nodes, err := members(ctx, client)
	if err != nil {
		return nil, err
	}
	var masters []netip.Addr
	for _, m := range nodes {
		if m.master && m.address.IsValid() {
			masters = append(masters, m.address)
		}
	}
	slices.SortFunc(masters, netip.Addr.Compare)
	return masters, nil
}

func (s *Server) cluster(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	return s.view(r.Context(), client)
}

func (s *Server) packages(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	images, err := s.store.Images(r.Context())
	return &packagesAnswer{images}, err
}
