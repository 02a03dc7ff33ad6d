// Package cluster is what a cluster knows of itself: facts that every node needs
// to become a part of it, kept in the Kubernetes API.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// Namespace is where Gravity keeps what it knows.
const Namespace = "gravity-system"

// configMap has the facts.
const configMap = "cluster"

// StateActive is the state of a cluster with which nothing is being done.
const StateActive = "active"

// StateShrinking is the state of a cluster that loses a node.
const StateShrinking = "shrinking"

// Facts are what is known of a cluster. They have no secrets.
type Facts struct {
	// Name is the cluster's, and State one of the original's states.
	Name  string `json:"name"`
	State string `json:"state"`
	// Application and Version are of the bundle that is installed, Bundle is that
	// one's digest, and Runtime the Kubernetes version.
	Application string `json:"application"`
	Version     string `json:"version"`
	Bundle      string `json:"bundle"`
	Runtime     string `json:"runtime"`
	// PodNetwork and ServiceNetwork are CIDRs, VXLANPort is a UDP port.
	PodNetwork     netip.Prefix `json:"pod_network"`
	ServiceNetwork netip.Prefix `json:"service_network"`
	VXLANPort      int          `json:"vxlan_port"`
	// ServiceUser and ServiceGroup stand for -1 in the security contexts of hooks.
	ServiceUser  int64 `json:"service_uid"`
	ServiceGroup int64 `json:"service_gid"`
	// CloudProvider is generic, aws or gce.
	CloudProvider string `json:"cloud_provider"`
	// CertificateLifetime is how long certificates of nodes are good, in
	// nanoseconds; zero means a year.
	CertificateLifetime time.Duration `json:"certificate_lifetime,omitempty"`
	// Installation is what its installation was asked for.
	Installation Installation `json:"installation,omitzero"`
}

// Installation is what an installation was asked for where nothing else tells it
// later, as it was written; it counted then, and never again.
type Installation struct {
	// Flavor is that of the application.
	Flavor string `json:"flavor,omitempty"`
	// Mounts are folders of the first node, by the names of volumes.
	Mounts map[string]string `json:"mounts,omitempty"`
	// DNSZones are DOMAIN/ADDRESS[:PORT].
	DNSZones []string `json:"dns_zones,omitempty"`
	// SkipChecks are names of preflight checks.
	SkipChecks []string `json:"skip_checks,omitempty"`
}

// Write records the facts.
func Write(ctx context.Context, client *kube.Client, f *Facts) error {
	data, err := f.data()
	if err != nil {
		return err
	}
	return client.ApplyObject(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": configMap, "namespace": Namespace},
		"data":     data,
	}})
}

// data is what parse reads.
func (f *Facts) data() (map[string]any, error) {
	installation, err := json.Marshal(f.Installation)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"name": f.Name, "state": f.State, "application": f.Application, "version": f.Version,
		"runtime": f.Runtime, "bundle": f.Bundle,
		"pod-network": f.PodNetwork.String(), "service-network": f.ServiceNetwork.String(),
		"vxlan-port":  strconv.Itoa(f.VXLANPort),
		"service_uid": strconv.FormatInt(f.ServiceUser, 10), "service_gid": strconv.FormatInt(f.ServiceGroup, 10),
		"cloud-provider": f.CloudProvider, "certificate-lifetime": f.CertificateLifetime.String(),
		"installation": string(installation),
	}, nil
}

// Read reads the facts.
func Read(ctx context.Context, client *kube.Client) (*Facts, error) {
	object, err := client.Resource(kube.ConfigMaps, Namespace).Get(ctx, configMap, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the cluster's facts: %w", err)
	}
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read the cluster's facts: %w", err)
	}
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's facts: %w", err)
	}
	return f, nil
}

func parse(data map[string]string) (*Facts, error) {
	f := &Facts{
		Name: data["name"], State: data["state"], Application: data["application"], Version: data["version"],
		Runtime: data["runtime"], Bundle: data["bundle"], CloudProvider: data["cloud-provider"],
	}
	var failed [7]error
	f.PodNetwork, failed[0] = netip.ParsePrefix(data["pod-network"])
	f.ServiceNetwork, failed[1] = netip.ParsePrefix(data["service-network"])
	f.VXLANPort, failed[2] = strconv.Atoi(data["vxlan-port"])
	f.ServiceUser, failed[3] = strconv.ParseInt(data["service_uid"], 10, 64)
	f.ServiceGroup, failed[4] = strconv.ParseInt(data["service_gid"], 10, 64)
	if text := data["certificate-lifetime"]; text != "" {
		f.CertificateLifetime, failed[5] = time.ParseDuration(text)
	}
	if text := data["installation"]; text != "" {
		failed[6] = json.Unmarshal([]byte(text), &f.Installation)
	}
	return f, errors.Join(failed[:]...)
}
