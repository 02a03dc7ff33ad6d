package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// module is the path of this repository's Go module.
const module = "github.com/gravity-platform/terraform-provider-gravity"

// importRule says what some packages may not import, directly or through
// others: what would be linked with them.
type importRule struct {
	// of is a package path, or the root of a tree of them with /... at its end.
	of string
	// never are package paths; one that ends with a slash or a dash is the
	// beginning of paths, another stands for itself and what is below it.
	never []string
	// why is the reason, for whoever breaks the rule.
	why string
}

// importRules are the arrows of ARCHITECTURE.md.
var importRules = []importRule{
	{
		of:    module + "/bundle/...",
		never: []string{module + "/gravity", module + "/provider"},
		why:   "tele, gravity and the provider all read bundles; the format depends on none of its readers",
	},
	{
		of:    module,
		never: []string{"k8s.io/", "github.com/containerd/containerd", "helm.sh/"},
		why: "Terraform starts the provider for every plan, on laptops; it asks the gravity on a node, over SSH, " +
			"instead of linking what gravity links",
	},
	{
		of:    module + "/gravity",
		never: []string{"github.com/hashicorp/terraform-"},
		why:   "gravity travels in every bundle to sites where there may be no Terraform",
	},
	{
		of:    module + "/gravity",
		never: []string{"k8s.io/kubernetes"},
		why:   "one gravity drives every Kubernetes version of an upgrade; it runs that version's kubeadm and links none",
	},
	{
		of:    module + "/bundle/discovery",
		never: []string{"k8s.io/", "helm.sh/", "sigs.k8s.io/kustomize/"},
		why:   "what renders charts and kustomizations lies in packages below it, which only tele imports",
	},
	{
		of:    module + "/gravity",
		never: []string{module + "/bundle/build", module + "/bundle/discovery/chart", module + "/bundle/discovery/kustomization"},
		why:   "gravity travels in every bundle; images are found when the bundle is built",
	},
	{
		of:    module + "/internal/report",
		never: []string{module + "/", "github.com/"},
		why:   "whoever reads what a command printed links nothing of what made it",
	},
}

// checkImports finds the shortest forbidden path of imports in the module of a
// directory, one for each rule and forbidden path.
func checkImports(dir string, rules []importRule) ([]string, error) {
	imports, err := listImports(dir)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, rule := range rules {
		for _, never := range rule.never {
			if chain := rule.find(imports, never); chain != nil {
				problems = append(problems, fmt.Sprintf("%s: %s", strings.Join(chain, " -> "), rule.why))
			}
		}
	}
	return problems, nil
}

// find walks breadth first from the rule's packages to a forbidden one, and
// returns the way.
func (r importRule) find(imports map[string][]string, never string) []string {
	var queue [][]string
	seen := map[string]bool{}
	for name := range imports {
		tree, isTree := strings.CutSuffix(r.of, "/...")
		if name == r.of || isTree && (name == tree || strings.HasPrefix(name, tree+"/")) {
			queue = append(queue, []string{name})
			seen[name] = true
		}
	}
	slices.SortFunc(queue, slices.Compare)
	for len(queue) > 0 {
		chain := queue[0]
		queue = queue[1:]
		last := chain[len(chain)-1]
		if len(chain) > 1 && matches(last, never) {
			return chain
		}
		for _, next := range imports[last] {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, append(slices.Clone(chain), next))
			}
		}
	}
	return nil
}

func matches(name, pattern string) bool {
	if strings.HasSuffix(pattern, "/") || strings.HasSuffix(pattern, "-") {
		return strings.HasPrefix(name, pattern)
	}
	return name == pattern || strings.HasPrefix(name, pattern+"/")
}

// listImports returns what each package imports, of a module and all that it
// depends on, without tests.
func listImports(dir string) (map[string][]string, error) {
	command := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	command.Dir = dir
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w: %s", err, stderr.Bytes())
	}
	imports := map[string][]string{}
	decoder := json.NewDecoder(bytes.NewReader(output))
	for {
		var listed struct {
			ImportPath string
			Imports    []string
		}
		switch err := decoder.Decode(&listed); {
		case errors.Is(err, io.EOF):
			return imports, nil
		case err != nil:
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		imports[listed.ImportPath] = listed.Imports
	}
}
