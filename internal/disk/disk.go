// Package disk tells how much space there is.
package disk

import (
	"fmt"
	"math"
)

// Free returns how many bytes a user may still write to the file system of a
// folder; where nobody can tell, it returns the largest number.
func Free(folder string) (int64, error) {
	free, err := free(folder)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", folder, err)
	}
	return int64(min(free, math.MaxInt64)), nil //nolint:gosec // it is no more than that
}
