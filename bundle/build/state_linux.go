package build

import (
	"time"

	"golang.org/x/sys/unix"
)

// stateOf returns what the file system says about a file.
func stateOf(path string) (state, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return state{}, err
	}
	return state{
		Device: stat.Dev, Inode: stat.Ino, Size: stat.Size,
		Changed: time.Unix(stat.Ctim.Unix()),
	}, nil
}
