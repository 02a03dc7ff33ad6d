package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
)

// trusted says whose bundles a command accepts.
type trusted struct {
	// path is the machine's policy.
	path string
	// keys are files of public keys, or folders of them.
	keys []string
}

// addFlags gives a command --trusted-key.
func (t *trusted) addFlags(command *cobra.Command) {
	t.path = trust.DefaultPath
	command.Flags().StringArrayVar(&t.keys, "trusted-key", nil,
		"FILE of a public key, or folder of them: refuse a bundle that none of them signed; can be repeated\n"+
			"("+trust.DefaultPath+" can require it always)")
}

// open opens a bundle, and refuses one that must be signed by a trusted key and
// is not, before anything of it is executed. Nothing switches that off: neither
// skipped checks nor flags lift what the machine's policy requires.
func (t *trusted) open(path string) (*bundle.Bundle, error) {
	opened, err := bundle.Open(path)
	if err != nil {
		return nil, err
	}
	if err := t.check(opened); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

func (t *trusted) check(opened *bundle.Bundle) error {
	policy, err := trust.Read(t.path)
	if err != nil {
		return err
	}
	if err := policy.Check(opened); err != nil || len(t.keys) == 0 {
		return err
	}
	if policy, err = trust.Trusting(t.keys...); err != nil {
		return err
	}
	return policy.Check(opened)
}
