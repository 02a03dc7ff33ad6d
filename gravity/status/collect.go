// Package status finds out how a cluster is, as far as this node can tell, and
// shows it (S29, S30): what is on this node's disk, what its agent says, and
// what the cluster knows. Whatever does not answer makes the cluster degraded
// and is told, and the rest is shown (S38).
package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	known "github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/leader"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

const (
	// clusterTimeout bounds how long the cluster is asked.
	clusterTimeout = 5 * time.Second
	// agentTimeout bounds how long the agent is asked, which ends a round of
	// probes and makes another.
	agentTimeout = 20 * time.Second
	// localTimeout bounds the probes that are made here if the agent does not answer.
	localTimeout = 20 * time.Second
	// otherTimeout is how long agents of other nodes may take to tell what they
	// found before; maxAsking of them are asked at a time.
	otherTimeout = 5 * time.Second
	maxAsking    = 16
)

// ReasonCluster is why the state is degraded when a node is not well.
const ReasonCluster = "cluster_degraded"

// The states of nodes.
const (
	nodeHealthy  = "healthy"
	nodeDegraded = "degraded"
	nodeOffline  = "offline"
)

// ErrNotInstalled is about a machine that is no node of a cluster.
var ErrNotInstalled = errors.New("no cluster is installed on this machine")

// Collect asks everybody. ErrNotInstalled if there is no cluster.
func Collect(ctx context.Context, p paths.Paths, store operation.Store) (*report.Status, error) {
	operations, err := operation.All(ctx, store)
	if err != nil {
		return nil, err
	}
	n, err := readNode(p, operations)
	if err != nil {
		return nil, err
	}
	own := version.Get()
	s := &report.Status{LocalChecks: []report.Probe{}}
	s.Cluster = report.StatusCluster{
		Application: report.StatusApplication{Repository: manifest.Repository, Name: n.Application, Version: n.Version},
		Domain:      n.Cluster, State: health.StateActive, SystemStatus: report.SystemRunning,
		ClientVersion: report.StatusVersion{Edition: edition, Version: own.Version, GitCommit: own.Commit},
		ServerVersion: report.StatusVersion{Edition: edition},
		Token:         report.StatusToken{Type: TokenType, SiteDomain: n.Cluster},
		Endpoints: report.StatusEndpoints{
			Applications: []report.StatusApplicationEndpoints{},
			Cluster:      report.StatusClusterEndpoints{AuthGateway: []string{}, UI: []string{}, Kubernetes: []string{}},
		},
	}
	if s.Cluster.Token.Token, err = keptToken(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	addOperations(&s.Cluster, operations)
	c := collector{paths: p, node: n, status: s}
	// At the same time, since each may take long to give up; they fill in
	// different fields.
	var agentErr, clusterErr error
	var asking sync.WaitGroup
	asking.Go(func() { agentErr = c.askAgent(ctx) })
	// A removed master could still read everything, and would tell of a cluster that
	// is well instead of itself.
	if clusterErr = n.CheckDismissal(p); clusterErr == nil {
		asking.Go(func() {
			if clusterErr = c.askCluster(ctx); clusterErr == nil {
				clusterErr = c.askLeader(ctx)
			}
		})
	}
	asking.Wait()
	c.askOthers(ctx)
	if err := errors.Join(clusterErr, agentErr); err != nil {
		s.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
		c.checkLocally(ctx, agentErr != nil)
	}
	c.conclude()
	return s, ctx.Err()
}

const edition = "open-source"

// Node is what this node is, or is becoming. ErrNotInstalled if it is nothing.
func Node(ctx context.Context, p paths.Paths, store operation.Store) (*node.Node, error) {
	operations, err := operation.All(ctx, store)
	if err != nil {
		return nil, err
	}
	return readNode(p, operations)
}

// readNode is what this node is, or is becoming.
func readNode(p paths.Paths, operations []*operation.Operation) (*node.Node, error) {
	n, err := node.Read(p)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return n, err
	}
	for _, one := range slices.Backward(operations) {
		if one.Plan.OperationType != operation.TypeInstall {
			continue
		}
		if settings, ok := settingsOf(one.Plan); ok {
			return &settings.Node, nil
		}
	}
	return nil, cli.WithHint(ErrNotInstalled, "install one with 'gravity install', or name the state folder with --state-dir")
}

// settingsOf are those that the phases of an installation have.
func settingsOf(plan *operation.Plan) (settings install.Settings, ok bool) {
	leaves := plan.Leaves()
	if len(leaves) == 0 || leaves[0].Decode(&settings) != nil {
		return settings, false
	}
	return settings, settings.Node.Name != ""
}

// collector fills in a status.
type collector struct {
	paths  paths.Paths
	node   *node.Node
	status *report.Status
	health map[string]report.NodeHealth // by the name in Kubernetes
}

// askAgent asks for the health of all nodes.
func (c *collector) askAgent(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, agentTimeout, fmt.Errorf("no answer in %s", agentTimeout))
	defer cancel()
	found, agent, err := health.Ask(ctx, c.paths)
	if err != nil {
		return err
	}
	c.status.Cluster.ServerVersion.Version = agent
	c.health = make(map[string]report.NodeHealth)
	for _, one := range found.Nodes {
		c.health[one.MemberStatus.Tags["nodename"]] = one
	}
	return nil
}

// askOthers asks the agents of the nodes that the own one does not tell of, at the
// same time. Nodes that do not answer are offline.
func (c *collector) askOthers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, otherTimeout)
	defer cancel()
	var lock sync.Mutex
	var group errgroup.Group
	group.SetLimit(maxAsking)
	for _, n := range c.status.Cluster.Nodes {
		address, err := netip.ParseAddr(n.AdvertiseIP)
		if _, known := c.health[n.Hostname]; known || err != nil || n.Hostname == c.node.Name {
			continue
		}
		group.Go(func() error {
			found, err := health.AskNode(ctx, c.paths, address)
			if err != nil {
				return nil // then it is offline
			}
			lock.Lock()
			defer lock.Unlock()
			if c.health == nil {
				c.health = map[string]report.NodeHealth{}
			}
			c.health[n.Hostname] = found
			return nil
		})
	}
	_ = group.Wait() // no error is returned
}

// askCluster asks for its state, its nodes and the application's endpoints.
func (c *collector) askCluster(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, clusterTimeout, fmt.Errorf("no answer in %s", clusterTimeout))
	defer cancel()
	cluster := &c.status.Cluster
	if !c.node.Master {
		return nil // only masters may read it: a worker tells of itself
	}
	client, err := kube.Open(c.paths.KubernetesFile("admin.conf"))
	if err != nil {
		return err
	}
	nodes, err := client.Resource(kube.Nodes, "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	for i := range nodes.Items {
		cluster.Nodes = append(cluster.Nodes, nodeOf(&nodes.Items[i]))
	}
	state, err := health.ReadState(ctx, client)
	if err != nil && len(cluster.ActiveOperations) > 0 {
		return nil // an installation writes it at its end
	}
	if err != nil {
		return err
	}
	cluster.State = cmp.Or(state.State, cluster.State)
	cluster.Reason, cluster.Message = state.Reason, state.Message
	if cluster.Created.IsZero() {
		cluster.Created = state.Created
	}
	if facts, err := known.Read(ctx, client); err == nil {
		cluster.Facts = &report.StatusFacts{
			Bundle: facts.Bundle, Runtime: facts.Runtime,
			PodNetwork: facts.PodNetwork.String(), ServiceNetwork: facts.ServiceNetwork.String(), VXLANPort: facts.VXLANPort,
			ServiceUser: facts.ServiceUser, ServiceGroup: facts.ServiceGroup, CloudProvider: facts.CloudProvider,
			Installation: report.StatusInstallation(facts.Installation),
		}
	}
	c.judgeToken(ctx, client)
	endpoints, err := install.Endpoints(ctx, c.paths)
	if err != nil {
		return fmt.Errorf("find the endpoints: %w", err)
	}
	application := report.StatusApplicationEndpoints{Application: cluster.Application, Endpoints: []report.StatusEndpoint{}}
	for _, endpoint := range endpoints {
		application.Endpoints = append(application.Endpoints, report.StatusEndpoint{
			Name: endpoint.Name, Description: endpoint.Description, Addresses: append([]string{}, endpoint.Addresses...),
		})
	}
	if len(endpoints) > 0 {
		cluster.Endpoints.Applications = append(cluster.Endpoints.Applications, application)
	}
	return nil
}

// askLeader asks whether a master leads, which needs a cluster that can be changed. It
// may take longer than what is only read.
func (c *collector) askLeader(ctx context.Context) error {
	if !c.node.Master {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, agentTimeout, fmt.Errorf("no answer in %s", agentTimeout))
	defer cancel()
	client, err := kube.Open(c.paths.KubernetesFile("admin.conf"))
	if err != nil {
		return err
	}
	return leader.CheckRenewed(ctx, client)
}

func nodeOf(object *unstructured.Unstructured) report.StatusNode {
	labels := object.GetLabels()
	n := report.StatusNode{
		Hostname: object.GetName(), Created: object.GetCreationTimestamp().UTC(), Role: "node", Profile: labels["role"],
	}
	if _, master := labels[manifest.LabelControlPlane]; master {
		n.Role = "master"
	}
	addresses, _, _ := unstructured.NestedSlice(object.Object, "status", "addresses")
	for _, entry := range addresses {
		if address, ok := entry.(map[string]any); ok && address["type"] == "InternalIP" {
			n.AdvertiseIP, _ = address["address"].(string)
			break
		}
	}
	return n
}

// checkLocally finds out what is wrong on this node, by itself if the agent
// cannot tell (S38).
func (c *collector) checkLocally(ctx context.Context, self bool) {
	local := c.health[c.node.Name]
	if self || local.Probes == nil {
		ctx, cancel := context.WithTimeoutCause(ctx, localTimeout, fmt.Errorf("no answer in %s", localTimeout))
		defer cancel()
		checkers := health.Checkers(c.paths, c.node)
		local = health.Local(c.node, checkers, func(checkers []health.Checker) []report.Probe { return health.Run(ctx, checkers) })
		if c.health == nil {
			c.health = map[string]report.NodeHealth{}
		}
		c.health[c.node.Name] = local
	}
	for _, probe := range local.Probes {
		if probe.Status != report.HealthRunning {
			c.status.LocalChecks = append(c.status.LocalChecks, probe)
		}
	}
}

// conclude gives nodes their health, and the cluster its state.
func (c *collector) conclude() {
	cluster := &c.status.Cluster
	if len(cluster.Nodes) == 0 {
		role := "node"
		if c.node.Master {
			role = "master"
		}
		cluster.Nodes = []report.StatusNode{{
			Hostname: c.node.Name, AdvertiseIP: c.node.Address.String(), Role: role, Profile: c.node.Role,
		}}
	}
	healthy := c.status.Error == ""
	for i := range cluster.Nodes {
		n := &cluster.Nodes[i]
		n.FailedProbes, n.WarnProbes = []string{}, []string{}
		found, known := c.health[n.Hostname]
		n.Status, n.Checked = nodeOffline, found.Checked
		switch {
		case !known || found.Status == report.HealthUnknown && len(found.Probes) == 0:
			// Its agent does not answer.
		case found.Status == report.HealthRunning:
			n.Status = nodeHealthy
		default:
			n.Status = nodeDegraded
		}
		for _, probe := range found.Probes {
			switch {
			case probe.Degrades():
				n.FailedProbes = append(n.FailedProbes, line(probe))
			case probe.Status != report.HealthRunning:
				n.WarnProbes = append(n.WarnProbes, line(probe))
			}
		}
		if n.Role == "master" {
			if address, err := netip.ParseAddr(n.AdvertiseIP); err == nil {
				cluster.Endpoints.Cluster.Kubernetes = append(cluster.Endpoints.Cluster.Kubernetes,
					"https://"+netip.AddrPortFrom(address, kubeadm.APIServerPort).String())
			}
		}
		healthy = healthy && n.Status == nodeHealthy
	}
	if healthy {
		return
	}
	cluster.SystemStatus = report.SystemDegraded
	// What a person or a script reads must not say active (S37).
	if cluster.State == health.StateActive {
		cluster.State, cluster.Reason = health.StateDegraded, ReasonCluster
	}
}

func line(probe report.Probe) string { return probe.Checker + ": " + probe.Error }

// Healthy tells whether nothing is wrong with a cluster: an operation may change
// it.
func Healthy(s *report.Status) bool {
	state := s.Cluster.State
	return s.Cluster.SystemStatus == report.SystemRunning && state != health.StateDegraded && state != stateFailed
}
