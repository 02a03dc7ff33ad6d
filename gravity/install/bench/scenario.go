package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/trial"
)

// scenario is one way to a cluster of one machine.
type scenario struct {
	name string
	// size is the bundle's, in bytes; zero without one.
	size    int64
	measure func(context.Context, *lab.Machine) (*figures, error)
}

// smallManifest is an application with nothing in it: what remains is Gravity.
const smallManifest = `apiVersion: bundle.gravitational.io/v2
kind: Bundle
metadata: {name: small, resourceVersion: 1.0.0}
baseImage: gravity:%s
installer:
  flavors:
    items:
      - name: one
        nodes: [{profile: node, count: 1}]
nodeProfiles:
  - name: node
`

// scenarios builds the bundles.
func (b *bench) scenarios(ctx context.Context) ([]scenario, error) {
	artifact, err := trial.Open(b.Runtimes, b.version)
	if err != nil {
		return nil, err
	}
	list := []scenario{{name: "kubeadm init", measure: func(ctx context.Context, machine *lab.Machine) (*figures, error) {
		return b.kubeadm(ctx, machine, artifact)
	}}}
	small := filepath.Join(b.folder, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(small, "app.yaml"), fmt.Appendf(nil, smallManifest, b.version), 0o644); err != nil {
		return nil, err
	}
	for _, application := range []struct{ name, folder string }{{"gravity install, nothing in it", small}, {"gravity install, the example", b.Example}} {
		folder := application.folder
		path := filepath.Join(b.folder, filepath.Base(folder)+".tar")
		command := exec.CommandContext(ctx, b.Tele, "build", folder, "-o", path, "--runtimes="+b.Runtimes, "--set-dep=kubernetes:"+b.version)
		if output, err := command.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("tele build %s: %w: %s", folder, err, output)
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		list = append(list, scenario{name: application.name, size: info.Size(), measure: func(ctx context.Context, machine *lab.Machine) (*figures, error) {
			return install(ctx, machine, path)
		}})
	}
	return list, nil
}

// kubeadm brings the runtime up as its own test does, the images in a registry
// on the machine, and measures kubeadm init until the node is Ready and its
// system's pods run.
func (b *bench) kubeadm(ctx context.Context, machine *lab.Machine, artifact *trial.Artifact) (*figures, error) {
	began := time.Now()
	node, err := trial.Start(ctx, machine, artifact, io.Discard)
	if err != nil {
		return nil, err
	}
	found := &figures{Prepared: time.Since(began).Seconds()}
	began = time.Now()
	if err := node.Init(ctx, b.version); err != nil {
		return nil, err
	}
	found.Healthy = time.Since(began).Seconds()
	return found, nil
}

// install extracts a bundle and measures from the call of its install script
// until the cluster is healthy, and until it is active.
func install(ctx context.Context, machine *lab.Machine, path string) (*figures, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	extract := lab.Command{Args: []string{"sh", "-c", "mkdir /root/app && tar -x -C /root/app && sync"}, Stdin: file}
	if _, err := machine.Run(ctx, extract); err != nil {
		return nil, err
	}
	found := &figures{}
	reader, writer := io.Pipe()
	listened := make(chan error, 1)
	began := time.Now()
	go func() { listened <- found.listen(reader, began) }()
	_, err = machine.Run(ctx, lab.Command{Args: []string{"/root/app/install", "--cluster=bench", "-o", "json"}, Stdout: io.Discard, Stderr: writer})
	found.Active = time.Since(began).Seconds()
	_ = writer.Close()
	if problem := <-listened; err == nil {
		err = problem
	}
	return found, err
}

// listen reads what an installation tells of its phases.
func (f *figures) listen(reader io.Reader, began time.Time) error {
	lines := bufio.NewScanner(reader)
	var last string
	for lines.Scan() {
		var told struct{ Phase *report.PhaseProgress }
		if json.Unmarshal(lines.Bytes(), &told) != nil || told.Phase == nil {
			last = lines.Text()
			continue
		}
		phase := told.Phase
		if phase.State != "completed" {
			continue
		}
		f.Phases = append(f.Phases, phaseTime{ID: strings.ReplaceAll(phase.Phase, "node-1", "NODE"), Seconds: phase.Seconds})
		if phase.Phase == "/health" {
			f.Healthy = time.Since(began).Seconds()
		}
	}
	if f.Healthy == 0 {
		return fmt.Errorf("it did not get healthy: %s", last)
	}
	return lines.Err()
}
