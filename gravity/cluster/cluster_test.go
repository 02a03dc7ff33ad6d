package cluster

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFacts(t *testing.T) {
	full := Facts{
		Name: "shop", State: StateActive, Application: "shop", Version: "1.0.0", Bundle: "sha256:abc", Runtime: "1.37.2",
		PodNetwork: netip.MustParsePrefix("10.244.0.0/16"), ServiceNetwork: netip.MustParsePrefix("10.100.0.0/16"), VXLANPort: 8472,
		ServiceUser: 1000, ServiceGroup: 1001, CloudProvider: "generic", CertificateLifetime: time.Hour,
		Installation: Installation{
			Flavor: "small", Mounts: map[string]string{"data": "/mnt/data"}, DNSZones: []string{"example.com/10.0.0.53"}, SkipChecks: []string{"disk-latency"},
		},
	}
	plain := full
	plain.Installation = Installation{}
	for name, facts := range map[string]Facts{"full": full, "nothing was asked for": plain} {
		data, err := facts.data()
		if err != nil {
			t.Fatal(err)
		}
		texts := make(map[string]string)
		for key, value := range data {
			texts[key], _ = value.(string)
		}
		got, err := parse(texts)
		if diff := cmp.Diff(&facts, got, cmpopts.EquateComparable(netip.Prefix{})); err != nil || diff != "" {
			t.Errorf("%s: %v, mismatch (-want +got)\n%s", name, err, diff)
		}
		// A cluster that has not recorded it.
		older := maps.Clone(texts)
		delete(older, "installation")
		if got, err := parse(older); err != nil || got.Installation.Flavor != "" || got.Name != "shop" {
			t.Errorf("%s: of an older cluster %+v, %v", name, got, err)
		}
		older["installation"] = "{"
		if _, err := parse(older); err == nil {
			t.Errorf("%s: what is broken is read", name)
		}
	}
}
