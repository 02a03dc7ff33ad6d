package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TokenType is the type of the token by which nodes join, as it always was.
const TokenType = "expand"

// newToken is what to do without a token.
const newToken = "make one with 'gravity token create'"

// Why there is no token by which nodes join.
var (
	errTokenRemoved = errors.New("it was removed")
	errTokenExpired = errors.New("it has expired")
)

// Token is that by which nodes join. It fails if the cluster answers, and the token is
// not good any more.
func Token(ctx context.Context, p paths.Paths, n *node.Node) (string, error) {
	kept, err := keptToken(p)
	if !n.Master || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	client, openErr := kube.Open(p.KubernetesFile("admin.conf"))
	if openErr != nil {
		return kept, err
	}
	if _, readErr := health.ReadState(ctx, client); readErr != nil {
		return kept, err // it does not answer, or is being installed
	}
	if _, problem := judge(ctx, client, kept); problem != nil {
		return "", cli.WithHint(fmt.Errorf("there is no join token: %w", problem), newToken)
	}
	return kept, err
}

// keptToken is the token that a master keeps.
func keptToken(p paths.Paths) (string, error) {
	content, err := os.ReadFile(p.Token())
	if err != nil {
		return "", fmt.Errorf("the join token is kept on masters: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// judge tells why a cluster that was installed does not take the token that a master
// keeps, or until when it does; zero for always, or if that cannot be found out.
func judge(ctx context.Context, client *kube.Client, kept string) (expires time.Time, problem error) {
	if kept == "" {
		return time.Time{}, errTokenRemoved
	}
	parsed, err := token.Parse(kept)
	var record *token.Record
	if err == nil {
		record, err = token.Find(ctx, client, parsed.ID)
	}
	switch {
	case errors.Is(err, token.ErrUnknown):
		return time.Time{}, errTokenRemoved
	case err != nil:
		return time.Time{}, nil //nolint:nilerr // nobody can tell
	case record.Expired(time.Now()):
		return time.Time{}, errTokenExpired
	}
	return record.Expires, nil
}

// judgeToken takes a token out of the status that is not good any more.
func (c *collector) judgeToken(ctx context.Context, client *kube.Client) {
	shown := &c.status.Cluster.Token
	expires, problem := judge(ctx, client, shown.Token)
	shown.Expires = expires
	if problem != nil {
		shown.Token, shown.Problem = "", problem.Error()
	}
}
