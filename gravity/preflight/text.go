package preflight

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// maxFile is how much is read of a file of the machine.
const maxFile = 4 << 20

// read reads a small file of the machine. A larger one is an error.
func (m *Machine) read(name string) (string, error) {
	file, err := os.Open(m.path(name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFile {
		return "", fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return string(content), nil
}

// lookFor reads a file that may be missing.
func (m *Machine) lookFor(name string) (string, error) {
	content, err := m.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return content, err
}

// word is the contents of a file of one word, empty if there is no such file.
func (m *Machine) word(name string) (string, error) {
	content, err := m.lookFor(name)
	return strings.TrimSpace(content), err
}

func (m *Machine) exists(name string) bool {
	_, err := os.Lstat(m.path(name))
	return err == nil
}

// assignments reads lines of NAME=VALUE, as os-release and ufw.conf have them.
// A value may be in quotes. Other lines are left out.
func assignments(content string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(content) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		values[name] = value
	}
	return values
}

// size writes a number of bytes for people.
func size(bytes uint64) string {
	const step = 1000
	if bytes < step {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes), -1
	for value >= step-0.5 && unit < len("kMGTPE")-1 {
		value /= step
		unit++
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %cB", value, "kMGTPE"[unit])
	}
	return fmt.Sprintf("%.0f %cB", value, "kMGTPE"[unit])
}

func capacity(c manifest.Capacity) string { return size(uint64(c)) }

// count writes a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
