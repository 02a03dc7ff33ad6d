package kubeadm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// registerField is the field of KubeletConfiguration that lets a kubelet make its
// Node when it starts.
const registerField = "registerNode"

// Registered keeps the kubelet from registering the node again, now that it has: a
// node that was removed meanwhile must not come back by itself. The kubelet that
// runs need not start anew, since it registers once.
func Registered(p paths.Paths) error { return SetRegister(p, false) }

// SetRegister says whether the kubelet registers the node when it starts: in its
// configuration, and in the patch from which kubeadm makes that again.
func SetRegister(p paths.Paths, register bool) error {
	config := filepath.Join(p.Kubelet(), "config.yaml")
	for path, mode := range map[string]fs.FileMode{config: 0o644, p.KubernetesFile("patches", patchName): 0o600} {
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && path != config {
			continue
		}
		if err != nil {
			return err
		}
		var fields object
		if err := yaml.Unmarshal(content, &fields); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if fields[registerField] == register {
			continue
		}
		fields[registerField] = register
		if content, err = yaml.Marshal(fields); err != nil {
			return err
		}
		if err := paths.WriteFile(path, content, mode); err != nil {
			return err
		}
	}
	return nil
}
