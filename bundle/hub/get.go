package hub

import (
	"context"
	"errors"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
)

// Get makes the file of a bundle in a hub, HOST/PATH/NAME:VERSION, for those who
// take a bundle by such a name instead of a path. A bundle that a policy refuses is
// refused before its layers are fetched, and nothing is written. See Remote.Write
// for the file.
func Get(ctx context.Context, reference, path string, policy trust.Policy, options Options) (written bundle.Written, err error) {
	connection := Connect(options)
	defer connection.Close()
	remote, err := connection.Find(ctx, reference)
	if err != nil {
		return bundle.Written{}, err
	}
	defer func() { err = errors.Join(err, remote.Close(ctx)) }()
	if err := policy.CheckSignatures(remote.Signatures); err != nil {
		return bundle.Written{}, err
	}
	return remote.Write(ctx, path, nil)
}
