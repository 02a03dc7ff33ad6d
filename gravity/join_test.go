package main

import (
	"slices"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func TestParsePeers(t *testing.T) {
	for _, test := range []struct {
		arg  string
		want []string
	}{
		{"10.0.0.1", []string{"10.0.0.1:3009"}},
		{"10.0.0.1, 10.0.0.2:443,node-3", []string{"10.0.0.1:3009", "10.0.0.2:443", "node-3:3009"}},
		{"", nil},
		{"10.0.0.1,", nil},
		{"https://10.0.0.1", nil},
		{"root@10.0.0.1", nil},
	} {
		got, err := parsePeers([]string{test.arg})
		if !slices.Equal(got, test.want) || test.want == nil && cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: %v, %v; want %v", test.arg, got, err, test.want)
		}
	}
	if _, err := parsePeers(nil); cli.ExitCode(err) != cli.ExitUsage {
		t.Errorf("no address: %v", err)
	}
}
