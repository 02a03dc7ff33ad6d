package runtime_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// builtFrom tells which module of which folder a component is compiled from.
var builtFrom = map[string]struct{ folder, module string }{
	"cni-plugins": {"components/cni", "github.com/containernetworking/plugins"},
	"containerd":  {"components/containerd", "github.com/containerd/containerd/v2"},
	"coredns":     {"components/addons", "github.com/coredns/coredns"},
	"etcd":        {"components/etcd", "go.etcd.io/etcd/server/v3"},
	"flannel":     {"components/addons", "github.com/flannel-io/flannel"},
	"helm":        {"components/addons", "helm.sh/helm/v4"},
	"registry":    {"components/registry", "github.com/distribution/distribution/v3"},
	"runc":        {"components/runc", "github.com/opencontainers/runc"},
}

// required reads the modules that a go.mod requires, with their versions.
func required(t *testing.T, folder string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	versions := make(map[string]string)
	block := ""
	for line := range strings.Lines(string(content)) {
		line, _, _ = strings.Cut(line, "//")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[1] == "(":
			block = fields[0]
		case len(fields) == 1 && fields[0] == ")":
			block = ""
		case len(fields) == 2 && block == "require":
			versions[fields[0]] = fields[1]
		case len(fields) == 3 && fields[0] == "require":
			versions[fields[1]] = fields[2]
		}
	}
	return versions
}

func committed(t *testing.T) *runtime.Catalogue {
	t.Helper()
	c, err := runtime.Releases()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestComponentsAreThoseOfTheModules(t *testing.T) {
	for _, release := range committed(t).Releases {
		for name, version := range release.Components {
			from, ok := builtFrom[name]
			if !ok {
				t.Errorf("release %s: nothing says what component %s is built from", release.Version, name)
				continue
			}
			if got := required(t, from.folder)[from.module]; got != "v"+version {
				t.Errorf("release %s: %s is %s in the catalogue, %s/go.mod requires %s %s", release.Version, name, version, from.folder, from.module, got)
			}
		}
		for name := range builtFrom {
			if release.Components[name] == "" {
				t.Errorf("release %s: component %s is missing", release.Version, name)
			}
		}
	}
}

// TestEtcdIsOneVersion wants the programs of the etcd executable to agree.
func TestEtcdIsOneVersion(t *testing.T) {
	modules := required(t, "components/etcd")
	for _, program := range []string{"etcdctl", "etcdutl"} {
		if got, want := modules["go.etcd.io/etcd/"+program+"/v3"], modules["go.etcd.io/etcd/server/v3"]; got != want {
			t.Errorf("%s is %s, etcd %s", program, got, want)
		}
	}
}

// notStaged are modules of k8s.io that have releases of their own; the others
// come with Kubernetes and must be of the same release.
var notStaged = []string{
	"k8s.io/kubernetes", "k8s.io/klog/v2", "k8s.io/kube-openapi", "k8s.io/system-validators", "k8s.io/utils", "k8s.io/gengo/v2",
}

func TestKubernetesIsThatOfTheModules(t *testing.T) {
	for _, release := range committed(t).Releases {
		modules := required(t, "kube/v"+release.Minor())
		if got := modules["k8s.io/kubernetes"]; got != "v"+release.Version {
			t.Errorf("release %s is compiled from k8s.io/kubernetes %s", release.Version, got)
		}
		want := "v0." + strings.TrimPrefix(release.Version, "1.")
		staged := 0
		for module, version := range modules {
			if !strings.HasPrefix(module, "k8s.io/") || slices.Contains(notStaged, module) {
				continue
			}
			staged++
			if version != want {
				t.Errorf("release %s: %s is %s, want %s", release.Version, module, version, want)
			}
		}
		if staged < 25 {
			t.Errorf("release %s requires only %d modules of Kubernetes", release.Version, staged)
		}
	}
}

func TestEveryMinorHasItsFolder(t *testing.T) {
	want := make(map[string]bool)
	for _, release := range committed(t).Releases {
		want["v"+release.Minor()] = true
	}
	entries, err := os.ReadDir("kube")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !want[entry.Name()] {
			t.Errorf("kube/%s is of no release", entry.Name())
		}
		delete(want, entry.Name())
	}
	for missing := range want {
		t.Errorf("there is no kube/%s", missing)
	}
}

// TestReleasesAreThreeMinors wants three minors in a row, the newest patch of
// each as LTS, and one step from each to the next.
func TestReleasesAreThreeMinors(t *testing.T) {
	var minors []int
	for _, release := range committed(t).Releases {
		minor, err := strconv.Atoi(strings.TrimPrefix(release.Minor(), "1."))
		if err != nil {
			t.Fatal(err)
		}
		newest := len(minors) == 0 || minors[len(minors)-1] != minor
		if release.LTS != newest {
			t.Errorf("release %s: lts is %t, which the newest patch of a minor is", release.Version, release.LTS)
		}
		if newest {
			minors = append(minors, minor)
		}
		for _, from := range []int{minor - 1, minor} {
			prefix := "1." + strconv.Itoa(from) + "."
			if !slices.ContainsFunc(release.UpgradableFrom, func(version string) bool { return strings.HasPrefix(version, prefix) }) {
				t.Errorf("release %s cannot be upgraded from %sx", release.Version, prefix)
			}
		}
	}
	if len(minors) != 3 || minors[0] != minors[1]+1 || minors[1] != minors[2]+1 {
		t.Errorf("the minors are %v, want three in a row", minors)
	}
}

// TestSharedComponents wants components to be equal in all releases: what does
// not change between two runtimes is carried once.
func TestSharedComponents(t *testing.T) {
	c := committed(t)
	for _, release := range c.Releases {
		for name, version := range release.Components {
			if c.Components[name] != version {
				t.Errorf("release %s has %s %s, the others %s", release.Version, name, version, c.Components[name])
			}
		}
	}
}
