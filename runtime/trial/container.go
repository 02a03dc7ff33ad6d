package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sync/errgroup"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// registryPort is where the master container's registry listens.
const registryPort = 5000

// unpack streams the layers into the container's root, one after another as
// they lie over each other.
func (n *Node) unpack(ctx context.Context, artifact *Artifact) error {
	folders := []string{"mkdir", "-p", rootfs, Root + "/containerd", Root + "/registry"}
	for _, host := range bound {
		folders = append(folders, host)
	}
	if _, err := n.machine.Run(ctx, lab.Command{Args: folders}); err != nil {
		return err
	}
	for _, layer := range artifact.masterLayers {
		if err := n.unpackLayer(ctx, artifact, layer); err != nil {
			return fmt.Errorf("layer %s: %w", layer.Digest, err)
		}
	}
	return n.configure(ctx, artifact)
}

// errTarEnded tells that nobody reads a layer any more.
var errTarEnded = errors.New("tar has ended")

func (n *Node) unpackLayer(ctx context.Context, artifact *Artifact, layer v1.Descriptor) error {
	file, err := os.Open(artifact.blobPath(layer.Digest))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	reader, err := zstd.NewReader(file)
	if err != nil {
		return err
	}
	defer reader.Close()
	pipe, writer := io.Pipe()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := io.Copy(writer, reader)
		_ = writer.CloseWithError(err) // always nil: the error is returned below
		if errors.Is(err, errTarEnded) {
			return nil // whether tar was content counts
		}
		return err
	})
	group.Go(func() error {
		_, err := n.machine.Run(ctx, lab.Command{
			Args:  []string{"tar", "-x", "--numeric-owner", "--same-permissions", "--keep-directory-symlink", "-C", rootfs},
			Stdin: pipe,
		})
		_ = pipe.CloseWithError(errTarEnded) // ends the other side
		return err
	})
	return group.Wait()
}

// configure writes what differs from machine to machine: who the node is,
// where images come from, and what this kernel allows.
func (n *Node) configure(ctx context.Context, artifact *Artifact) error {
	files := map[string]string{
		rootfs + "/etc/gravity/registry.yaml": fmt.Sprintf(
			"version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: \":%d\"}\n", Root, registryPort),
	}
	for _, image := range artifact.Images {
		host, _, _ := strings.Cut(image, "/")
		files[rootfs+"/etc/containerd/certs.d/"+host+"/hosts.toml"] = fmt.Sprintf(
			"server = \"http://127.0.0.1:%[1]d/v2/%[2]s\"\n[host.\"http://127.0.0.1:%[1]d/v2/%[2]s\"]\ncapabilities = [\"pull\", \"resolve\"]\noverride_path = true\n",
			registryPort, host)
	}
	capabilities, err := n.capabilities(ctx)
	if err != nil {
		return err
	}
	if !capabilities["CAP_SYS_RESOURCE"] {
		files[rootfs+"/etc/containerd/conf.d/restrict.toml"] = "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\"]\nrestrict_oom_score_adj = true\n"
		drop := "[Service]\nOOMScoreAdjust=0\n"
		files[rootfs+"/etc/systemd/system/containerd.service.d/restrict.conf"] = drop
		files[rootfs+"/etc/systemd/system/kubelet.service.d/restrict.conf"] = drop
	}
	spec, err := json.MarshalIndent(containerSpec(n.name, capabilities), "", "  ")
	if err != nil {
		return err
	}
	files[bundle+"/config.json"] = string(spec)
	for path, content := range files {
		if err := n.machine.CopyTo(ctx, strings.NewReader(content), path, 0o644); err != nil {
			return err
		}
	}
	_, err = n.machine.Run(ctx, lab.Command{Args: []string{
		"cp", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/machine-id", rootfs + "/etc/",
	}})
	return err
}

// capabilities are those that the machine can give: a sandbox may lack some,
// and runc refuses a container that asks for more.
func (n *Node) capabilities(ctx context.Context) (map[string]bool, error) {
	result, err := n.machine.Run(ctx, lab.Command{Args: []string{"cat", "/proc/self/status"}})
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(strings.NewReader(result.Stdout))
	for lines.Scan() {
		hex, ok := strings.CutPrefix(lines.Text(), "CapBnd:")
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("read the capabilities: %w", err)
		}
		capabilities := make(map[string]bool)
		for bit, name := range capabilityNames {
			if mask&(1<<bit) != 0 {
				capabilities[name] = true
			}
		}
		return capabilities, nil
	}
	return nil, errors.New("/proc/self/status tells no capabilities")
}

// startContainer runs the container as a service of the machine and waits
// until its systemd, containerd and registry are up.
func (n *Node) startContainer(ctx context.Context) error {
	_, err := n.machine.Run(ctx, lab.Command{Args: []string{
		"systemd-run", "--quiet", "--unit=" + unit, "--property=Delegate=yes", "--property=TasksMax=infinity", "--property=KillMode=mixed",
		runc, "run", "--bundle", bundle, unit,
	}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it is not up after a minute"))
	defer cancel()
	return poll(ctx, func(ctx context.Context) error {
		// bash, not sh: /dev/tcp is its own.
		_, err := n.Exec(ctx, "bash", "-c", fmt.Sprintf(
			"systemctl is-active containerd registry && ctr version >/dev/null && exec 3<>/dev/tcp/127.0.0.1/%d", registryPort))
		return err
	})
}

// Stop ends the master container and everything in it.
func (n *Node) Stop(ctx context.Context) error {
	_, err := n.machine.Run(ctx, lab.Command{Args: []string{"systemctl", "stop", unit}})
	return err
}

// poll calls check until it succeeds; the error at the end is the check's last.
func poll(ctx context.Context, check func(context.Context) error) error {
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// containerSpec is the container's configuration: the host's network and
// cgroups, all devices, namespaces of its own for the rest. Mounts made inside
// the state folder are seen on the host and survive the container's root.
func containerSpec(hostname string, capabilities map[string]bool) *specs.Spec {
	var names []string
	for _, name := range capabilityNames {
		if capabilities[name] {
			names = append(names, name)
		}
	}
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/dev", Type: "bind", Source: "/dev", Options: []string{"rbind", "rslave"}},
		{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "rslave"}},
		{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=755"}},
		{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777"}},
		{Destination: Root, Type: "bind", Source: Root, Options: []string{"rbind", "rshared"}},
	}
	for inside, host := range bound {
		mounts = append(mounts, specs.Mount{Destination: inside, Type: "bind", Source: host, Options: []string{"rbind", "rshared"}})
	}
	return &specs.Spec{
		Version:  specs.Version,
		Hostname: hostname,
		Process: &specs.Process{
			Args: []string{"/lib/systemd/systemd"},
			Env:  []string{"container=gravity", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Cwd:  "/",
			Capabilities: &specs.LinuxCapabilities{
				Bounding: names, Effective: names, Permitted: names,
			},
		},
		Root:   &specs.Root{Path: "rootfs"},
		Mounts: mounts,
		Linux: &specs.Linux{
			RootfsPropagation: "rshared",
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
			},
			CgroupsPath: "/" + unit,
			Resources:   &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}},
		},
	}
}
