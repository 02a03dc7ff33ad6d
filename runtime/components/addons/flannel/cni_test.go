package flannel

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteCNIConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.d", "10-flannel.conflist")
	for _, mtu := range []int{1450, 1370} { // the second replaces the first
		err := writeCNIConfig(path, cniNetwork{subnets: []string{"10.244.1.0/24", "fd00::/64"}, mtu: mtu, hairpin: true})
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var list struct {
			Plugins []struct {
				Type        string
				MTU         int
				HairpinMode bool
				IPAM        struct{ Ranges [][]struct{ Subnet string } }
			}
		}
		if err := json.Unmarshal(content, &list); err != nil {
			t.Fatalf("%v in %s", err, content)
		}
		bridge := list.Plugins[0]
		if bridge.Type != "bridge" || bridge.MTU != mtu || !bridge.HairpinMode {
			t.Errorf("bridge is %+v, want MTU %d and hairpin mode", bridge, mtu)
		}
		if len(bridge.IPAM.Ranges) != 2 || bridge.IPAM.Ranges[1][0].Subnet != "fd00::/64" {
			t.Errorf("ranges are %v, want one for each subnet", bridge.IPAM.Ranges)
		}
		if len(list.Plugins) != 3 {
			t.Errorf("%d plugins, want bridge, portmap and bandwidth", len(list.Plugins))
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".flannel-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v %v", left, err)
	}
}

func TestWriteCNIConfigFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeCNIConfig(filepath.Join(file, "10-flannel.conflist"), cniNetwork{}); err == nil {
		t.Error("a folder that cannot be made is no error")
	}
}
