//go:build !linux

package build

import "errors"

// stateOf is not known here, so that bundles are always written.
func stateOf(string) (state, error) { return state{}, errors.ErrUnsupported }
