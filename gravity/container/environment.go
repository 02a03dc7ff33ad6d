package container

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// writeEnvironment gives the node's environment to all services of the
// container. Only root may read the file.
func (c *Container) writeEnvironment(n *node.Node) error {
	environment, err := node.ReadEnvironment(c.paths)
	if err != nil {
		return err
	}
	path := filepath.Join(c.paths.Rootfs(n.Runtime), "etc/systemd/system.conf.d/environment.conf")
	if len(environment) == 0 {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return paths.WriteFile(path, []byte(defaultEnvironment(environment)), 0o600)
}

// escaper writes a value for systemd, between double quotes: a percent sign
// would begin a specifier.
var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "%", "%%")

// defaultEnvironment is the configuration of a systemd that runs services with
// some environment.
func defaultEnvironment(environment node.Environment) string {
	var text strings.Builder
	text.WriteString("[Manager]\n")
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		text.WriteString(`DefaultEnvironment="` + name + "=" + escaper.Replace(environment[name]) + "\"\n")
	}
	return text.String()
}
