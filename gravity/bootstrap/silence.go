package bootstrap

import "errors"

// Silent tells whether a request failed since no master answered.
func Silent(err error) bool {
	_, unreachable := errors.AsType[*unreachableError](err)
	_, answered := errors.AsType[*unableError](err)
	return unreachable && !answered
}
