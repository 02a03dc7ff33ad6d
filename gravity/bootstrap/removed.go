package bootstrap

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	roster "github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// ErrRemoved is about a node that was removed from the cluster: masters do not
// answer it any more.
var ErrRemoved = errors.New("it was removed from the cluster")

// removedHint is the way out.
const removedHint = "remove what is left on it with 'gravity leave --force', and join again with a token"

// checkRemoved refuses a certificate that the node got before it was removed. What
// this master knew a moment ago is not enough to refuse it: the node may just have
// joined again.
func (s *Server) checkRemoved(ctx context.Context, shown *x509.Certificate) error {
	name, issued := shown.Subject.CommonName, certificate.Issued(shown)
	known, err := node.ReadRemovals(s.paths)
	if err != nil {
		return err
	}
	if !known.Void(name, issued) {
		return nil
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	removals, err := roster.Removals(ctx, client)
	if err != nil {
		return err
	}
	if !node.Removals(removals).Void(name, issued) {
		return nil
	}
	return refuse(http.StatusForbidden, cli.WithHint(fmt.Errorf("node %s: %w", name, ErrRemoved), removedHint))
}

// removed tells whether this master was removed, by the cluster that it still
// reaches through its balancer.
func (f *follower) removed(ctx context.Context, client *kube.Client) (node.Removals, error) {
	removals, err := roster.Removals(ctx, client)
	if err != nil {
		return nil, err
	}
	leaf, err := certificate.FilesOf(f.paths).Leaf()
	if err != nil {
		return nil, err
	}
	if node.Removals(removals).Void(f.node.Name, certificate.Issued(leaf)) {
		return nil, fmt.Errorf("node %s: %w", f.node.Name, ErrRemoved)
	}
	return removals, nil
}
