package health

import "golang.org/x/sys/unix"

func watch(folder string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.InotifyAddWatch(fd, folder, unix.IN_DELETE_SELF)
	return err
}

// usage is what df shows, in bytes.
func usage(folder string) (used, available uint64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return 0, 0, err
	}
	size := uint64(stat.Bsize) //nolint:gosec // never negative
	return (stat.Blocks - stat.Bfree) * size, stat.Bavail * size, nil
}
