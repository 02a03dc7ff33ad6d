package layer

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const attributePrefix = "SCHILY.xattr."

// setAttributes gives a file the extended attributes of a tar entry, such as
// capabilities.
func setAttributes(file *os.File, records map[string]string) error {
	for key, value := range records {
		name, ok := strings.CutPrefix(key, attributePrefix)
		if !ok {
			continue
		}
		if err := unix.Fsetxattr(int(file.Fd()), name, []byte(value), 0); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}
