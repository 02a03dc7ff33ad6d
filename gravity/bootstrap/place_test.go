package bootstrap

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	roster "github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// joined makes a node of a machine that is joining, as its kubelet does.
func (m *master) joined(n int, master bool) {
	labels := map[string]any{}
	if master {
		labels["node-role.kubernetes.io/control-plane"] = ""
	}
	m.api.Put("nodes/"+named(n).Name, "Node", map[string]any{
		"metadata": map[string]any{"labels": labels},
		"status":   map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": address(n).String()}}},
	})
}

// joins are the operations that have a place.
func (m *master) joins(t *testing.T) []string {
	t.Helper()
	var operations []string
	err := changeJoins(t.Context(), m.client, time.Now, func(joins map[string]join) error {
		operations = operations[:0]
		for operation := range joins {
			operations = append(operations, operation)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return operations
}

// expire lets all places be those of machines that nobody has heard of for long.
func (m *master) expire(t *testing.T) {
	t.Helper()
	data := map[string]any{}
	err := changeJoins(t.Context(), m.client, time.Now, func(joins map[string]join) error {
		for operation, j := range joins {
			j.Heard = time.Now().Add(-abandoned)
			content, err := json.Marshal(j)
			if err != nil {
				return err
			}
			data[operation] = string(content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m.api.Put("namespaces/gravity-system/configmaps/joins", "ConfigMap", map[string]any{"data": data})
}

func (m *master) enters(t *testing.T, n int, role string) *attempt {
	t.Helper()
	a, err := m.attempt(t, m.token, n, role)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// do lets a machine do steps that must succeed.
func (a *attempt) do(t *testing.T, steps ...Step) {
	t.Helper()
	for _, step := range steps {
		if err := a.client.Step(t.Context(), step, a.request, a.answer.Master, nil); err != nil {
			t.Fatalf("step %s: %v", step, err)
		}
	}
}

func (a *attempt) refused(t *testing.T, step Step, want string) {
	t.Helper()
	wants(t, a.client.Step(t.Context(), step, a.request, a.answer.Master, nil), want)
}

// TestPlaceAgain lets a join take its place again only as if it joined now.
func TestPlaceAgain(t *testing.T) {
	m := newMaster(t)
	second := m.enters(t, 2, "")
	second.do(t, StepRenew)
	m.expire(t)
	second.do(t, StepRenew) // nothing has changed
	m.expire(t)
	worker := m.enters(t, 3, "worker")
	second.refused(t, StepRenew, "can't join master node while another node is joining")
	second.do(t, StepForget) // what ends it needs no place
	worker.do(t, StepCredentials)
	m.joined(3, false)
	worker.do(t, StepRelease)
	m.joined(4, true)
	m.joined(5, true)
	second.refused(t, StepSecrets, "node node-2 would be no master now")
	m.api.Put("namespaces/gravity-system/configmaps/cluster", "ConfigMap", map[string]any{"data": map[string]any{
		"name": "test", "state": "shrinking", "application": "shop", "version": "1.0.0", "runtime": "1.37.2",
		"pod-network": "10.244.0.0/16", "service-network": "10.100.0.0/16", "vxlan-port": "8472", "service_uid": "1000", "service_gid": "1000",
	}})
	second.refused(t, StepRenew, "cannot expand shrinking cluster")
}

// TestJoinedAlready gives a node that has joined nothing that lets machines in.
func TestJoinedAlready(t *testing.T) {
	m := newMaster(t)
	worker := m.enters(t, 3, "worker")
	worker.do(t, StepCredentials)
	m.joined(3, false)
	worker.do(t, StepRelease, StepRelease, StepRenew)
	for _, step := range []Step{StepCredentials, StepSecrets, StepConfiguration, StepPreHook} {
		worker.refused(t, step, "node node-3 has joined already")
	}
	other := *worker
	other.request.Operation, other.request.Role = named(3).Operation, "node"
	other.refused(t, StepCredentials, "node node-3 has joined already")
	other.request.Address = address(1)
	other.refused(t, StepCredentials, "the certificate is not that of node node-3 at 10.0.0.1")
	if joins := m.joins(t); len(joins) != 0 {
		t.Errorf("the joins are %q", joins)
	}
	if records, err := roster.Records(t.Context(), m.client); err != nil || records["node-3"] != (roster.Record{Role: "worker", Address: address(3)}) {
		t.Errorf("the records are %v, %v", records, err)
	}
}

// TestAbandon voids what a machine has got that gives its join up, and nobody else's.
func TestAbandon(t *testing.T) {
	m := newMaster(t)
	worker := m.enters(t, 3, "worker")
	other := m.enters(t, 4, "worker")
	stranger := *other
	stranger.request.Operation = worker.request.Operation
	stranger.refused(t, StepAbandon, "operation "+worker.request.Operation+" is that of node node-3")
	worker.do(t, StepCredentials, StepAbandon)
	if joins := m.joins(t); !slices.Equal(joins, []string{other.request.Operation}) {
		t.Errorf("the joins are %q", joins)
	}
	removals, err := roster.Removals(t.Context(), m.client)
	if err != nil || len(removals) != 1 || removals["node-3"].IsZero() {
		t.Fatalf("the removals are %v, %v", removals, err)
	}
	if err := node.Removals(removals).Write(m.paths); err != nil {
		t.Fatal(err)
	}
	if err := worker.client.Step(t.Context(), StepCredentials, worker.request, false, nil); !errors.Is(err, ErrRemoved) {
		t.Errorf("a machine that has given up: %v", err)
	}
	again := m.enters(t, 3, "worker")
	again.do(t, StepCredentials)
}

// TestNamesake leaves the node alone that another machine of the same name has become.
func TestNamesake(t *testing.T) {
	m := newMaster(t)
	clone := m.enters(t, 3, "worker")
	m.expire(t)
	// Its name is another's now.
	m.api.Put("nodes/node-3", "Node", map[string]any{
		"status": map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": address(7).String()}}},
	})
	if err := roster.Put(t.Context(), m.client, "node-3", roster.Record{Role: "worker", Address: address(7)}); err != nil {
		t.Fatal(err)
	}
	clone.refused(t, StepForget, "node node-3 is another machine, at 10.0.0.7")
	clone.refused(t, StepCredentials, "node node-3 is another machine, at 10.0.0.7")
	clone.do(t, StepAbandon)
	removals, err := roster.Removals(t.Context(), m.client)
	if err != nil || len(removals) != 0 {
		t.Errorf("the removals are %v, %v", removals, err)
	}
	if records, err := roster.Records(t.Context(), m.client); err != nil || records["node-3"].Address != address(7) {
		t.Errorf("the records are %v, %v", records, err)
	}
}
