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
	"os"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
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

// Abandon withdraws this machine from a cluster that it did not come to be a node of,
// as far as masters answer. What it returns ends the join when nothing of it runs here
// any more, so that others need not wait until it is known to be dead; nil if the
// operation is no join.
func Abandon(ctx context.Context, p paths.Paths, plan *operation.Plan, log operation.Logger) (end func(context.Context) error, err error) {
	if plan.OperationType != operation.TypeExpand || len(plan.Phases) == 0 {
		return nil, nil
	}
	e, err := newEnvironment(p.Root, plan.OperationID, plan.Phases[0], log)
	if err != nil {
		return nil, err
	}
	if _, err := e.masters(); err != nil { // with the certificate, which is about to go
		return nil, err
	}
	begun := kubeadm.Begun(p)
	if begun {
		err = (&joinKubernetes{e}).withdraw(ctx, withdrawTimeout)
	}
	return func(ctx context.Context) error {
		defer e.client.Close()
		ctx, cancel := context.WithTimeout(ctx, abandonTimeout)
		defer cancel()
		steps := []bootstrap.Step{bootstrap.StepForget, bootstrap.StepRelease}
		if !begun {
			steps = steps[1:]
		}
		for _, step := range steps {
			if err := e.askWithin(ctx, abandonTimeout, step, nil); err != nil {
				return err
			}
		}
		return nil
	}, err
}

// withdrawTimeout is how long masters may take to remove a member of etcd, which may
// just be starting here.
const withdrawTimeout = time.Minute

// abandonTimeout is how long masters may take that a machine tells that it does not
// join any more.
const abandonTimeout = 15 * time.Second

func release(ctx context.Context, p paths.Paths, peers []string, request bootstrap.Request, master bool) error {
	config, err := certificate.FilesOf(p).TLS()
	if err != nil {
		return err
	}
	client := bootstrap.NewClient(peers, config)
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, abandonTimeout)
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
