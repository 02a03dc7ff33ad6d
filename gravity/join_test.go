package main

import (
	"slices"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func TestParsePeers(t *testing.T) {
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"10.0.0.1"}, []string{"10.0.0.1:3009"}},
		{[]string{"10.0.0.1, 10.0.0.2:443,node-3"}, []string{"10.0.0.1:3009", "10.0.0.2:443", "node-3:3009"}},
		{[]string{"10.0.0.1", "10.0.0.2,node-3"}, []string{"10.0.0.1:3009", "10.0.0.2:3009", "node-3:3009"}},
		{nil, nil},
		{[]string{""}, nil},
		{[]string{"", "10.0.0.1"}, nil},
		{[]string{"10.0.0.1,"}, nil},
		{[]string{"https://10.0.0.1"}, nil},
		{[]string{"root@10.0.0.1"}, nil},
	} {
		got, err := parsePeers(test.args)
		if !slices.Equal(got, test.want) || test.want == nil && cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: %v, %v; want %v", test.args, got, err, test.want)
		}
	}
}
