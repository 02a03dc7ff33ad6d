package bootstrap

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	roster "github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// removed records the removal of a node, in the cluster and on the master.
func (m *master) removed(t *testing.T, name string, at time.Time) {
	t.Helper()
	if err := roster.Remove(t.Context(), m.client, name, at); err != nil {
		t.Fatal(err)
	}
	if err := (node.Removals{name: at}).Write(m.paths); err != nil {
		t.Fatal(err)
	}
}

// TestRemoved refuses the certificate of a node that was removed, and takes the one
// that it gets when it joins again, also if the removal is later by the clock of
// another master.
func TestRemoved(t *testing.T) {
	m := newMaster(t)
	worker, err := m.attempt(t, m.token, 3, "worker")
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.client.Step(t.Context(), StepCredentials, worker.request, false, nil); err != nil {
		t.Fatal(err)
	}
	records, err := roster.Records(t.Context(), m.client)
	if err != nil || records["node-3"].Role != "worker" || records["node-3"].Address != address(3) || records["node-3"].Master {
		t.Errorf("the records are %v, %v", records, err)
	}
	if _, err := worker.client.View(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.removed(t, "node-3", time.Now().Add(time.Minute))
	if records, err = roster.Records(t.Context(), m.client); err != nil || len(records) != 0 {
		t.Errorf("after the removal the records are %v, %v", records, err)
	}
	if _, err := worker.client.View(t.Context()); !errors.Is(err, ErrRemoved) {
		t.Errorf("a node that was removed asks: %v", err)
	}
	for step := range steps {
		if err := worker.client.Step(t.Context(), step, worker.request, false, nil); !errors.Is(err, ErrRemoved) {
			t.Errorf("a node that was removed takes the step %s: %v", step, err)
		}
	}
	if _, err := worker.client.Renew(t.Context(), nil); !errors.Is(err, ErrRemoved) {
		t.Errorf("a node that was removed renews its certificate: %v", err)
	}
	again, err := m.attempt(t, m.token, 3, "worker")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.client.View(t.Context()); err != nil {
		t.Errorf("a node that has joined again: %v", err)
	}
	if err := again.client.Step(t.Context(), StepCredentials, again.request, false, nil); err != nil {
		t.Fatal(err)
	}
	// This master's clock is a minute behind the removal.
	request, _, err := certificate.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := again.client.Renew(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	known, err := node.ReadRemovals(m.paths)
	if issued := certificate.Issued(parse(t, renewed)); err != nil || known.Void("node-3", issued) {
		t.Errorf("its renewed certificate counts as issued at %s, its removal was at %s, %v", issued, known["node-3"], err)
	}
}

// TestRenew gives a node another certificate with the same names.
func TestRenew(t *testing.T) {
	m := newMaster(t)
	worker, err := m.attempt(t, m.token, 3, "worker")
	if err != nil {
		t.Fatal(err)
	}
	request, key, err := certificate.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	_, err = worker.client.Renew(t.Context(), request)
	wants(t, err, "node node-3 is not a member of the cluster")
	if err := worker.client.Step(t.Context(), StepCredentials, worker.request, false, nil); err != nil {
		t.Fatal(err)
	}
	renewed, err := worker.client.Renew(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(renewed, key); err != nil {
		t.Fatal(err)
	}
	before, after := parse(t, worker.answer.Certificate), parse(t, renewed)
	if before.Subject.String() != after.Subject.String() || len(after.IPAddresses) != len(before.IPAddresses) || after.VerifyHostname("10.0.0.3") != nil {
		t.Errorf("it is of %s, %v, and was of %s, %v", after.Subject, after.IPAddresses, before.Subject, before.IPAddresses)
	}
	if _, err := worker.client.Renew(t.Context(), []byte("none")); err == nil {
		t.Error("no request is a request")
	}
}

func parse(t *testing.T, content []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(content)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestGivenUp takes the right to register from a node whose join is given up.
func TestGivenUp(t *testing.T) {
	m := newMaster(t)
	for _, registered := range []bool{false, true} {
		worker, err := m.attempt(t, m.token, 3, "worker")
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.client.Step(t.Context(), StepCredentials, worker.request, false, nil); err != nil {
			t.Fatal(err)
		}
		if registered {
			m.api.Put("nodes/node-3", "Node", map[string]any{})
		}
		if err := worker.client.Step(t.Context(), StepRelease, worker.request, false, nil); err != nil {
			t.Fatal(err)
		}
		records, err := roster.Records(t.Context(), m.client)
		if _, kept := records["node-3"]; err != nil || kept != registered {
			t.Errorf("registered %v: the records are %v, %v", registered, records, err)
		}
	}
}
