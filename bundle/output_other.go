//go:build !linux

package bundle

import (
	"errors"
	"os"
)

func unnamedFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func nameUnnamed(*os.File, string, string) error { return errors.ErrUnsupported }

// syncFolder leaves it to the file system when names become durable.
func syncFolder(string) error { return nil }

func copyRange(*os.File, int64, *os.File, int64, int64) (int64, error) {
	return 0, errors.ErrUnsupported
}

func startWriteback(*os.File, int64, int64) {}
