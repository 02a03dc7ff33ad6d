package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/etcd"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// work is what a step has to do with.
type work struct {
	*Server
	client *kube.Client
	facts  *cluster.Facts
	join   join
}

var steps = map[Step]func(*work, context.Context) (any, error){
	StepRenew:         func(*work, context.Context) (any, error) { return struct{}{}, nil },
	StepSecrets:       (*work).secrets,
	StepReplace:       (*work).replace,
	StepCredentials:   (*work).credentials,
	StepEnvironment:   (*work).environment,
	StepConfiguration: (*work).configuration,
	StepPreHook:       func(w *work, ctx context.Context) (any, error) { return w.hook(ctx, manifest.HookPreNodeAdd) },
	StepPostHook:      func(w *work, ctx context.Context) (any, error) { return w.hook(ctx, manifest.HookPostNodeAdd) },
	StepBackup:        (*work).backup,
	StepForget:        (*work).forget,
	StepWithdraw:      (*work).withdraw,
	StepReady:         (*work).ready,
	StepRelease:       (*work).release,
	StepAbandon:       (*work).abandon,
}

// step does a part of a join for a node.
func (s *Server) step(w http.ResponseWriter, r *http.Request, from caller) (any, error) {
	do, known := steps[Step(r.PathValue("step"))]
	if !known {
		return nil, refuse(http.StatusNotFound, fmt.Errorf("there is no step %q", r.PathValue("step")))
	}
	var request stepRequest
	if err := decode(w, r, &request); err != nil {
		return nil, err
	}
	if request.Name != from.name || request.Master && !from.master || !slices.Contains(from.addresses, request.Address) {
		return nil, refuse(http.StatusForbidden, fmt.Errorf("the certificate is not that of node %s at %s", request.Name, request.Address))
	}
	if err := operation.CheckID(request.Operation); err != nil {
		return nil, refuse(http.StatusBadRequest, err)
	}
	ctx := r.Context()
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	facts, err := cluster.Read(ctx, client)
	if err != nil {
		return nil, err
	}
	job := &work{Server: s, client: client, facts: facts, join: join{Request: request.Request, Master: request.Master}}
	if err := job.hold(ctx, Step(r.PathValue("step"))); err != nil {
		return nil, err
	}
	return do(job, ctx)
}

// secrets sends what all masters have in common.
func (w *work) secrets(context.Context) (any, error) {
	if !w.join.Master {
		return nil, refuse(http.StatusForbidden, errors.New("only masters may have this"))
	}
	key, err := os.ReadFile(certificate.FilesOf(w.paths).AuthorityKey)
	if err != nil {
		return nil, err
	}
	secrets := &Secrets{AuthorityKey: key, PKI: make(map[string][]byte)}
	if secrets.Token, err = os.ReadFile(w.paths.Token()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, name := range kubeadm.PKI {
		if secrets.PKI[name], err = os.ReadFile(w.paths.KubernetesFile("pki", name)); err != nil {
			return nil, err
		}
	}
	return secrets, nil
}

// hook runs one of the application's hooks.
func (w *work) hook(ctx context.Context, name manifest.HookName) (any, error) {
	environment := map[string]string{
		"GRAVITY_NODE_NAME": w.join.Name, "GRAVITY_NODE_ADDRESS": w.join.Address.String(), "GRAVITY_NODE_ROLE": w.join.Role,
	}
	err := w.application(w.client, w.facts).Run(ctx, w.join.Operation, environment, name)
	if err != nil && ctx.Err() == nil {
		err = refuse(http.StatusConflict, err) // it would fail again
	}
	return struct{}{}, err
}

// backup copies etcd's data to a file of this master.
func (w *work) backup(ctx context.Context) (any, error) {
	path := w.paths.EtcdBackup(w.join.Operation)
	if _, err := os.Stat(path); err == nil {
		return struct{}{}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	inside, err := filepath.Rel(w.paths.Root, path)
	if err != nil {
		return nil, err
	}
	const pki = "/etc/kubernetes/pki/"
	_, err = container.New(w.paths).Exec(ctx, container.Command{Args: []string{
		"etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert=" + pki + "etcd/ca.crt",
		"--cert=" + pki + "apiserver-etcd-client.crt", "--key=" + pki + "apiserver-etcd-client.key",
		"snapshot", "save", filepath.Join(paths.Inside, inside),
	}})
	if err != nil {
		return nil, fmt.Errorf("backup etcd: %w", err)
	}
	return struct{}{}, nil
}

// forget removes the node from Kubernetes, but no other machine's of the same name.
func (w *work) forget(ctx context.Context) (any, error) {
	nodes, err := members(ctx, w.client)
	if err != nil {
		return nil, err
	}
	for _, m := range nodes {
		if m.name == w.join.Name && m.address.IsValid() && m.address != w.join.Address {
			return nil, refuse(http.StatusConflict, fmt.Errorf("node %s is another machine, at %s", m.name, m.address))
		}
	}
	err = w.client.Resource(kube.Nodes, "").Delete(ctx, w.join.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		err = nil
	}
	return struct{}{}, err
}

// withdraw removes the node from etcd. It may be there without a name, when it was
// interrupted.
func (w *work) withdraw(ctx context.Context) (any, error) {
	client := etcd.New(container.New(w.paths))
	members, err := client.Members(ctx, true)
	if err != nil {
		return nil, err
	}
	// Not by its name, which another machine may have.
	i := slices.IndexFunc(members, func(m etcd.Member) bool { return slices.Contains(m.Addresses, w.join.Address) })
	if i < 0 || !w.join.Master {
		return struct{}{}, nil
	}
	if err := etcd.CheckRemoval(members, members[i]); err != nil {
		return nil, refuse(http.StatusConflict, err)
	}
	return struct{}{}, client.Remove(ctx, members[i].ID)
}

// ready gives the node its labels, also those that a kubelet may not give
// itself, and fails unless it is ready and has what its pods need.
func (w *work) ready(ctx context.Context) (any, error) {
	m, err := w.application(w.client, w.facts).Manifest(ctx)
	if err != nil {
		return nil, err
	}
	n := &node.Node{Name: w.join.Name, Address: w.join.Address, Role: w.join.Role, Master: w.join.Master}
	nodes := w.client.Resource(kube.Nodes, "")
	if _, err := nodes.Get(ctx, n.Name, metav1.GetOptions{}); err != nil {
		return nil, waiting(err)
	}
	if err := w.client.Label(ctx, n.Name, install.Labels(n, m)); err != nil {
		return nil, err
	}
	if err := w.client.NodeReady(ctx, n.Name); err != nil {
		return nil, waiting(err)
	}
	if err := w.client.RunOn(ctx, n.Name, "kube-system", install.NetworkDaemonSets...); err != nil {
		return nil, waiting(err)
	}
	return struct{}{}, nil
}

// waiting is about what comes by itself.
func waiting(err error) error {
	return refuse(http.StatusServiceUnavailable, cli.WithHint(err, "look at 'gravity exec journalctl -u kubelet' on the new node"))
}
