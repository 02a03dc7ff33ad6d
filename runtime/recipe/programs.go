package recipe

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// program is an executable that the recipe compiles.
type program struct {
	name    string
	module  string // folder below runtime that has the go.mod
	target  string // package to compile, "." for the module's own
	tags    []string
	stamps  []string // variables set by the linker, "import/path.name=value"
	links   []string // names that are symbolic links to the executable
	version string
	cgo     bool
}

// grpc's tracing pages pull in html/template, after which the linker can drop
// no unused method of anything.
const noTrace = "grpcnotrace"

// kubernetes is the multi-call executable of one minor.
func (b *builder) kubernetes(release runtime.Release) program {
	const variables = "k8s.io/component-base/version."
	major, minor, _ := strings.Cut(release.Minor(), ".")
	return program{
		name: "kube", module: "kube/v" + release.Minor(), target: ".", version: release.Version,
		stamps: []string{
			variables + "gitVersion=v" + release.Version,
			variables + "gitMajor=" + major,
			variables + "gitMinor=" + minor,
			variables + "gitTreeState=clean",
			variables + "buildDate=" + b.catalogue.SourceDate.Format(time.RFC3339),
		},
		links: []string{
			"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet",
		},
	}
}

func etcdProgram(release runtime.Release) program {
	return program{
		name: "etcd", module: "components/etcd", target: ".", tags: []string{noTrace},
		version: release.Components["etcd"], links: []string{"etcdctl", "etcdutl"},
	}
}

func addonsProgram(release runtime.Release) program {
	helm := release.Components["helm"]
	return program{
		name: "addons", module: "components/addons", target: ".", tags: []string{noTrace},
		version: fmt.Sprintf("coredns %s, flannel %s, helm %s", release.Components["coredns"], release.Components["flannel"], helm),
		stamps:  []string{"helm.sh/helm/v4/internal/version.version=v" + helm},
		links:   []string{"coredns", "flanneld", "helm"},
	}
}

func registryProgram(release runtime.Release) program {
	version := release.Components["registry"]
	return program{
		name: "registry", module: "components/registry", target: ".", tags: []string{noTrace}, version: version,
		stamps: []string{"github.com/distribution/distribution/v3/version.version=v" + version},
	}
}

// enginePrograms run containers: containerd, its shim, runc and the network
// plugins.
func enginePrograms(release runtime.Release) []program {
	containerd := release.Components["containerd"]
	runc := release.Components["runc"]
	tags := []string{noTrace, "urfave_cli_no_docs", "no_btrfs", "no_devmapper", "no_zfs"}
	stamps := []string{"github.com/containerd/containerd/v2/version.Version=v" + containerd}
	programs := []program{
		{name: "containerd", module: "components/containerd", target: ".", tags: tags, stamps: stamps, version: containerd, links: []string{"ctr"}},
		{
			name: "containerd-shim-runc-v2", module: "components/containerd", tags: tags, stamps: stamps, version: containerd,
			target: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
		},
		{
			name: "runc", module: "components/runc", target: "github.com/opencontainers/runc", version: runc, cgo: true,
			tags: []string{"seccomp", "netgo", "osusergo", "urfave_cli_no_docs"},
		},
	}
	for _, plugin := range []string{"main/loopback", "main/bridge", "ipam/host-local", "meta/portmap", "meta/bandwidth"} {
		const module = "github.com/containernetworking/plugins"
		version := release.Components["cni-plugins"]
		programs = append(programs, program{
			name: filepath.Base(plugin), module: "components/cni", target: module + "/plugins/" + plugin, version: version,
			stamps: []string{module + "/pkg/utils/buildversion.BuildVersion=v" + version},
		})
	}
	return programs
}

func (p program) ldflags() string {
	flags := []string{"-s", "-w", "-buildid="}
	for _, stamp := range p.stamps {
		flags = append(flags, "-X", stamp)
	}
	if p.cgo {
		flags = append(flags, "-linkmode=external", "-extldflags=-static")
	}
	return strings.Join(flags, " ")
}

func (p program) buildArgs(output string) []string {
	return []string{
		"build", "-trimpath", "-buildvcs=false",
		"-tags", strings.Join(p.tags, ","),
		"-ldflags", p.ldflags(),
		"-o", output, p.target,
	}
}

// compile returns the path of a program's executable.
func (b *builder) compile(ctx context.Context, p program) (string, error) {
	module := filepath.Join(b.source, p.module)
	sources, err := hashTree(module, isTest)
	if err != nil {
		return "", err
	}
	shared, err := hashTree(filepath.Join(b.source, "multicall"), isTest)
	if err != nil {
		return "", err
	}
	key := []any{Toolchain, p.buildArgs(p.name), sources, shared, "linux/amd64/v1"}
	w := work{lane: compileLane, make: func(ctx context.Context, folder string) error {
		return b.compileHere(ctx, p, module, folder)
	}}
	if p.cgo {
		lines, err := b.lockedSet("build")
		if err != nil {
			return "", err
		}
		key = append(key, lines)
		var root buildRoot
		w.prepare = func(ctx context.Context) (err error) {
			root, err = b.buildRoot(ctx)
			return err
		}
		w.make = func(ctx context.Context, folder string) error {
			return b.compileInside(ctx, root, p, module, folder)
		}
	}
	folder, err := b.steps.do(ctx, "compile "+p.title(), keyOf(key...), w)
	return filepath.Join(folder, p.name), err
}

// title names a program and its version without spaces or slashes, for steps.
func (p program) title() string {
	version, _, _ := strings.Cut(p.version, " ")
	if p.name == "addons" {
		return p.name
	}
	return p.name + "-" + version
}

// compileLane and packLane let one compilation, which uses all cores most of
// the time, run beside one step of another kind, which uses one.
var (
	compileLane = make(chan struct{}, 1)
	packLane    = make(chan struct{}, 1)
)

func (b *builder) compileHere(ctx context.Context, p program, module, folder string) error {
	if _, err := b.tools.run(ctx, module, b.tools.golang, p.buildArgs(filepath.Join(folder, p.name))...); err != nil {
		return err
	}
	return checkExecutable(filepath.Join(folder, p.name))
}

// compileInside compiles a program with C parts by the locked compiler of the
// build root, offline: its modules are fetched before.
func (b *builder) compileInside(ctx context.Context, root buildRoot, p program, module, folder string) error {
	if _, err := b.tools.run(ctx, module, b.tools.golang, "mod", "download"); err != nil {
		return err
	}
	cache := filepath.Join(b.cache, "go-build")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	inside := append([]string{"/gravity/go/bin/go"}, p.buildArgs("/gravity/out/"+p.name)...)
	err := root.run(ctx, insideCommand{
		folder: "/gravity/source",
		args:   inside,
		env: []string{
			"PATH=/usr/bin:/bin", "HOME=/gravity/out", "GOROOT=/gravity/go", "GOTOOLCHAIN=local", "GOENV=off", "GOWORK=off",
			"GOFLAGS=-mod=readonly", "GOTELEMETRY=off", "GOPROXY=off", "GOSUMDB=off", "GOCACHE=/gravity/cache", "GOMODCACHE=/gravity/modules",
			"GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "CGO_ENABLED=1", "CC=gcc", "LC_ALL=C", "TZ=UTC",
		},
		binds: []bind{
			{b.tools.goroot, "go"}, {b.tools.modules, "modules"}, {module, "source"}, {cache, "cache"}, {folder, "out"},
		},
	})
	if err != nil {
		return err
	}
	return checkExecutable(filepath.Join(folder, p.name))
}

// compilePause compiles the program that holds a pod's namespaces, whose C
// source is part of Kubernetes. It is as small as can be, since one runs for
// every pod.
func (b *builder) compilePause(ctx context.Context, newest runtime.Release) (string, error) {
	lines, err := b.lockedSet("build")
	if err != nil {
		return "", err
	}
	args := []string{
		"gcc", "-Os", "-Wall", "-Werror", "-static", "-s", "-Wl,--build-id=none",
		"-DVERSION=v" + newest.Version, "-o", "/gravity/out/pause", "/gravity/source/pause.c",
	}
	var root buildRoot
	prepare := func(ctx context.Context) (err error) {
		root, err = b.buildRoot(ctx)
		return err
	}
	folder, err := b.steps.do(ctx, "compile pause", keyOf(lines, args), work{packLane, prepare, func(ctx context.Context, folder string) error {
		module := filepath.Join(b.source, "kube", "v"+newest.Minor())
		if _, err := b.tools.run(ctx, module, b.tools.golang, "mod", "download", "k8s.io/kubernetes"); err != nil {
			return err
		}
		source, err := b.tools.run(ctx, module, b.tools.golang, "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes")
		if err != nil {
			return err
		}
		return root.run(ctx, insideCommand{
			folder: "/",
			args:   args,
			env:    []string{"PATH=/usr/bin:/bin", "LC_ALL=C"},
			binds:  []bind{{filepath.Join(strings.TrimSpace(source), "build", "pause", "linux"), "source"}, {folder, "out"}},
		})
	}})
	return filepath.Join(folder, "pause"), err
}

func checkExecutable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("the compiler left no executable: %w", err)
	}
	if info.Size() == 0 {
		return fmt.Errorf("the compiler left an empty executable %s", path)
	}
	return nil
}
