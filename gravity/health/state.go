package health

import (
	"context"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// The ConfigMap that has the state of the cluster.
const (
	clusterNamespace = "gravity-system"
	clusterName      = "cluster"
)

// States of clusters that no operation changes.
const (
	StateActive   = "active"
	StateDegraded = "degraded"
	// ReasonStatusCheck is why the state is degraded when the application's hook
	// says so (S40).
	ReasonStatusCheck = "status_check_failed"
)

// State is what the cluster knows of itself.
type State struct {
	// State is StateActive, StateDegraded or what an operation does; Reason and
	// Message say why it is degraded.
	State, Reason, Message string
	// Created is when the cluster was complete.
	Created time.Time
	// ServiceUser and ServiceGroup stand for -1 in the security contexts of hooks.
	ServiceUser, ServiceGroup int64

	// version changes with each change.
	version string
}

// ReadState reads the state of the cluster.
func ReadState(ctx context.Context, client *kube.Client) (*State, error) {
	object, err := client.Resource(kube.ConfigMaps, clusterNamespace).Get(ctx, clusterName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the state of the cluster: %w", err)
	}
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read the state of the cluster: %w", err)
	}
	state := &State{
		State: data["state"], Reason: data["reason"], Message: data["message"],
		Created: object.GetCreationTimestamp().UTC(), version: object.GetResourceVersion(),
	}
	for name, id := range map[string]*int64{"service_uid": &state.ServiceUser, "service_gid": &state.ServiceGroup} {
		if *id, err = strconv.ParseInt(data[name], 10, 64); err != nil {
			return nil, fmt.Errorf("read the state of the cluster: %s: %w", name, err)
		}
	}
	return state, nil
}
