package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/renameio/v2"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/membership"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/removal"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// agentHost is this node, for the masters that ask its agent.
type agentHost struct {
	paths paths.Paths
	// digest and deployed say what this process began as: its file may be
	// withdrawn while it still answers.
	digest   string
	deployed bool
	restart  chan struct{}
	// members is nil before this node is one.
	members atomic.Pointer[membership.Membership]
}

var _ rpc.Host = (*agentHost)(nil)

func newAgentHost(p paths.Paths) (*agentHost, error) {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer program.Close()
	digest, err := digestOf(program)
	if err != nil {
		return nil, err
	}
	return &agentHost{paths: p, digest: digest, deployed: isDeployed(p), restart: make(chan struct{}, 1)}, nil
}

func digestOf(content io.Reader) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, content); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// waitRestart waits until the agent is to begin anew, or ctx ends.
func (h *agentHost) waitRestart(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-h.restart:
		return true
	}
}

func (h *agentHost) Identify(certificate *x509.Certificate) (rpc.Caller, error) {
	return rpc.Identify(h.paths, certificate)
}

func (h *agentHost) Executors(operationType string) (operation.Executors, error) {
	newExecutors, known := executors[operationType]
	if !known {
		return nil, fmt.Errorf("gravity %s does not execute operations of type %q", version.Get().Version, operationType)
	}
	return newExecutors(h.paths.Root), nil
}

func (h *agentHost) Local(server operation.Server) bool { return operation.IsLocal(server) }

func (h *agentHost) Info() rpc.Info {
	info := rpc.Info{Version: version.Get().Version, Digest: h.digest, Deployed: h.deployed}
	if n, err := node.Read(h.paths); err == nil {
		info.Node, info.Cluster = n.Name, n.Cluster
	}
	if members := h.members.Load(); members != nil {
		for _, m := range members.Members() {
			info.Members = append(info.Members, rpc.Member{Name: m.Name, Address: m.Address.String(), Status: m.Status, Tags: m.Tags})
		}
	}
	return info
}

func (h *agentHost) MembershipKey(epoch string) ([]byte, error) {
	return membership.DeriveKey(certificate.FilesOf(h.paths).AuthorityKey, epoch)
}

func (h *agentHost) Depart(ctx context.Context, request rpc.Departure) (*rpc.Departing, error) {
	if request.Operation != "" {
		started, err := removal.Resume(ctx, h.paths, request.Node, request.Operation)
		return &rpc.Departing{OperationID: request.Operation, Started: started}, err
	}
	launched, err := removal.Launch(ctx, h.paths, removal.Request{Node: request.Node, Force: request.Force}, version.Get().Version)
	if err != nil {
		return nil, err
	}
	return &rpc.Departing{OperationID: launched.OperationID, Kept: launched.Kept}, nil
}

func (h *agentHost) Wipe(ctx context.Context) (string, error) {
	failure := install.RemovalFailure(ctx) // what begins anew has not failed yet
	return failure, install.BeginRemoval(ctx, h.paths)
}

// maxProgram is how large a program may be, in bytes.
const maxProgram = 1 << 30

// Deploy keeps a program when it is complete, is what its digest says and runs.
func (h *agentHost) Deploy(ctx context.Context, program rpc.Program) error {
	path := h.paths.Deployed()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := renameio.NewPendingFile(path, renameio.WithStaticPermissions(0o755))
	if err != nil {
		return err
	}
	defer file.Cleanup() //nolint:errcheck // nothing is left to clean up after a success
	digest, err := digestOf(io.TeeReader(io.LimitReader(program, maxProgram+1), file))
	if err != nil {
		return err
	}
	if digest != program.Digest {
		return fmt.Errorf("the program's digest is sha256:%s, want sha256:%s", digest, program.Digest)
	}
	if err := errors.Join(file.Sync(), file.Chmod(0o755)); err != nil {
		return err
	}
	if err := tryProgram(ctx, file.Name()); err != nil {
		return err
	}
	// What is counted is of the program before.
	if err := forgetStarts(h.paths); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// tryProgram runs a program that is about to be the agent.
func tryProgram(ctx context.Context, path string) error {
	// A file that is open for writing cannot be run.
	copied := path + ".try"
	if err := copyFile(path, copied); err != nil {
		return err
	}
	defer os.Remove(copied)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if output, err := exec.CommandContext(ctx, copied, "version").CombinedOutput(); err != nil {
		return fmt.Errorf("the program does not run: %w: %.200s", err, output)
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

func (h *agentHost) Withdraw(context.Context) error {
	return os.RemoveAll(filepath.Dir(h.paths.Deployed()))
}

func (h *agentHost) Restart() {
	select {
	case h.restart <- struct{}{}:
	default: // it is about to
	}
}
