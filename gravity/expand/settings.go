// Package expand makes a machine a node of a cluster that exists: its phases are
// executors of package operation, each of them idempotent. The machine does them
// itself; what must happen on a master is asked of one, through package
// bootstrap.
package expand

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
)

// Settings are what a machine was told and has found out when it begins to join.
// They are part of the plan and hold no secrets.
type Settings struct {
	// Node is the node to be.
	Node node.Node `json:"node"`
	// Cluster has the cluster's facts, View who the masters are.
	Cluster cluster.Facts  `json:"cluster"`
	View    bootstrap.View `json:"view"`
	// Size is that of all packages, in bytes.
	Size int64 `json:"size"`
	// SkipChecks are names of preflight checks to skip; ChecksOff skips all (S15).
	SkipChecks []string `json:"skip_checks,omitempty"`
	ChecksOff  bool     `json:"checks_off,omitempty"`
}

func (s *Settings) encode() (json.RawMessage, error) { return json.Marshal(s) }

// Enter lets a master admit this machine, and writes the certificate that it gets
// and the authority's where the node has them. After it, the token is not needed
// any more.
func Enter(ctx context.Context, p paths.Paths, peers []string, given token.Token, request bootstrap.Request) (*bootstrap.Answer, error) {
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
	if err := os.MkdirAll(p.Certificates(), 0o700); err != nil {
		return nil, err
	}
	files := certificate.FilesOf(p)
	for _, file := range []struct {
		path    string
		content []byte
	}{{files.Key, key}, {files.Authority, authority}, {files.Certificate, answer.Certificate}} {
		if err := paths.WriteFile(file.path, file.content, 0o600); err != nil {
			return nil, err
		}
	}
	return answer, checkPair(files)
}

// checkPair makes sure that the master has signed what it was asked to.
func checkPair(files certificate.Files) error {
	config, err := files.TLS()
	if err != nil {
		return fmt.Errorf("the certificate from the master: %w", err)
	}
	if _, ok := config.Certificates[0].PrivateKey.(*ecdsa.PrivateKey); !ok {
		return errors.New("the certificate from the master has another key")
	}
	return nil
}

// Abandon gives the place among the joins up that an operation has, so that
// others need not wait until it is known to be dead. What the operation did stays.
func Abandon(ctx context.Context, p paths.Paths, plan *operation.Plan) error {
	if plan.OperationType != operation.TypeExpand || len(plan.Phases) == 0 {
		return nil
	}
	var s Settings
	if err := plan.Phases[0].Decode(&s); err != nil {
		return err
	}
	var peers []string
	for _, master := range s.View.Masters {
		peers = append(peers, netip.AddrPortFrom(master, bootstrap.Port).String())
	}
	n := s.Node
	return release(ctx, p, peers, bootstrap.Request{Operation: plan.OperationID, Name: n.Name, Address: n.Address, Role: n.Role}, n.Master)
}

func release(ctx context.Context, p paths.Paths, peers []string, request bootstrap.Request, master bool) error {
	config, err := certificate.FilesOf(p).TLS()
	if err != nil {
		return err
	}
	client := bootstrap.NewClient(peers, config)
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return client.Step(ctx, bootstrap.StepRelease, request, master, nil)
}

// Leave undoes Enter, on a machine that has made no plan.
func Leave(ctx context.Context, p paths.Paths, peers []string, request bootstrap.Request, master bool) error {
	err := release(ctx, p, peers, request, master)
	err = errors.Join(err, os.RemoveAll(p.Certificates()))
	if removeErr := os.Remove(p.Root); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
		return err // others have something there
	}
	return err
}
