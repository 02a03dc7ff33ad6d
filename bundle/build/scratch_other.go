//go:build !linux

package build

import "os"

// unnamedFile makes a file that nothing is left of when it is closed.
func unnamedFile(folder string) (*os.File, error) { return removedFile(folder) }
