// Package bootstrap is how machines become nodes: what masters answer to a
// machine that comes with a token, and to a node that is on its way into the
// cluster. It needs nothing of the machine but the token: by a proof the machine
// learns which authority to trust, by the token it gets a certificate, and by the
// certificate everything else.
package bootstrap

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// Port is where masters answer.
const Port = 3009

// The paths of requests. All but pathAuthority and pathJoin need a node's
// certificate.
const (
	pathAuthority = "/v1/authority"
	pathJoin      = "/v1/join"
	pathCluster   = "/v1/cluster"
	pathPackages  = "/v1/packages"
	pathStep      = "/v1/steps/"
	// pathCertificate renews a node's certificate.
	pathCertificate = "/v1/certificate"
)

// maxBody bounds requests and, but for packages, answers, in bytes.
const maxBody = 4 << 20

// authorityRequest asks a master to show that it belongs to a token's cluster.
type authorityRequest struct {
	TokenID string `json:"token_id"`
	Nonce   []byte `json:"nonce"`
}

// authorityAnswer has the cluster's authority and the master's clock; the proof
// vouches for both.
type authorityAnswer struct {
	Authority []byte    `json:"authority"`
	Time      time.Time `json:"time"`
	Proof     []byte    `json:"proof"`
}

func (a *authorityAnswer) parts(nonce []byte) [][]byte {
	return [][]byte{[]byte("gravity authority"), nonce, a.Authority, strconv.AppendInt(nil, a.Time.UnixNano(), 10)}
}

// Request is what a machine asks for.
type Request struct {
	// Operation identifies the attempt: repeated, a request with the same one
	// gets the same answer.
	Operation string `json:"operation"`
	// Name is the machine's host name, and Address how other nodes reach it.
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	// Role is the node profile; empty lets the master choose.
	Role string `json:"role,omitempty"`
}

// joinRequest is a Request with what authorises it.
type joinRequest struct {
	Request
	Token string `json:"token"`
	// Certificate is a request for one: PEM.
	Certificate []byte `json:"certificate"`
	// Version is that of the machine's gravity.
	Version string `json:"version"`
}

// Answer is what a machine gets that may join.
type Answer struct {
	// Certificate is the node's, signed: PEM.
	Certificate []byte `json:"certificate"`
	// Role is the node's profile, and Master tells whether it becomes a master.
	Role   string `json:"role"`
	Master bool   `json:"master"`
	// Cluster has the facts, and Manifest the application's app.yaml.
	Cluster  cluster.Facts `json:"cluster"`
	Manifest []byte        `json:"manifest"`
	// Size is that of all packages, in bytes.
	Size int64 `json:"size"`
	View
}

// View is what changes in a cluster and every node has to know.
type View struct {
	// Masters are the addresses of masters, sorted.
	Masters []netip.Addr `json:"masters"`
	// Hosts are the original hosts of the images that masters serve.
	Hosts []string `json:"hosts"`
	// Removals are the nodes that were removed.
	Removals node.Removals `json:"removals,omitempty"`
}

// Step is a part of a join that a master does. Each may be repeated.
type Step string

// The steps.
const (
	// StepRenew holds the place of the join among the others, or takes it again.
	StepRenew Step = "renew"
	// StepSecrets gets what all masters have in common: Secrets.
	StepSecrets Step = "secrets"
	// StepEnvironment gets node.Environment: what services have in theirs.
	StepEnvironment Step = "environment"
	// StepConfiguration gets Configuration.
	StepConfiguration Step = "configuration"
	// StepReplace removes the members of etcd whose masters are lost, since it takes
	// no new one before.
	StepReplace Step = "replace"
	// StepCredentials gets kubeadm.Credentials.
	StepCredentials Step = "credentials"
	// StepPreHook and StepPostHook run the application's hooks.
	StepPreHook  Step = "pre-hook"
	StepPostHook Step = "post-hook"
	// StepBackup copies etcd's data.
	StepBackup Step = "backup"
	// StepForget removes a node from Kubernetes that has not joined completely.
	StepForget Step = "forget"
	// StepWithdraw removes a master's member from etcd that does not become one after
	// all; it must run, since etcd needs a majority to lose it.
	StepWithdraw Step = "withdraw"
	// StepReady gives the node its labels and waits until it is ready.
	StepReady Step = "ready"
	// StepRelease ends the join, whether it is complete or rolled back.
	StepRelease Step = "release"
	// StepAbandon ends a join that was given up: what the machine has got is void.
	StepAbandon Step = "abandon"
)

// stepRequest asks for a step.
type stepRequest struct {
	Request
	Master bool `json:"master"`
}

// Secrets are what all masters have in common. They are only sent to who is to
// become one.
type Secrets struct {
	// AuthorityKey is the key of gravity's authority: PEM.
	AuthorityKey []byte `json:"authority_key"`
	// Token is the one that nodes join by; empty if this master does not know it.
	Token []byte `json:"token,omitempty"`
	// PKI are files of Kubernetes by their names, those of kubeadm.PKI.
	PKI map[string][]byte `json:"pki"`
}

// failure is an answer that is no success.
type failure struct {
	Error string   `json:"error"`
	Hints []string `json:"hints,omitempty"`
	// Removed tells that who asks was removed from the cluster.
	Removed bool `json:"removed,omitempty"`
	// Wait tells that the request can succeed later.
	Wait bool `json:"wait,omitempty"`
	// Busy tells that it can succeed when what others do has ended, which may be
	// long.
	Busy bool `json:"busy,omitempty"`
}

// packagesAnswer lists what is in a master's store.
type packagesAnswer struct {
	Images []store.Image `json:"images"`
}
