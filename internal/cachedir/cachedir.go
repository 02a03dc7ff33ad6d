// Package cachedir tells where programs keep what takes long to make and can
// be made again.
package cachedir

import (
	"fmt"
	"os"
	"path/filepath"
)

// Variable is the environment variable that names the cache folder.
const Variable = "GRAVITY_CACHE"

// Path returns the folder of one user of the cache, such as "runtimes", below
// $GRAVITY_CACHE, else $XDG_CACHE_HOME/gravity, else ~/.cache/gravity. It need
// not exist. The error says that the environment names no home.
func Path(user string) (string, error) {
	if folder := os.Getenv(Variable); folder != "" {
		return filepath.Join(folder, user), nil
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder (set %s): %w", Variable, err)
	}
	return filepath.Join(folder, "gravity", user), nil
}
