package kubeadm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Programs are those of a runtime, which know best what they take. They are run
// where they lie; no container is needed.
type Programs struct {
	// Folder has the programs, Version is that of Kubernetes.
	Folder, Version string
}

// checkTimeout bounds a program that has nothing to do but to read its
// configuration.
const checkTimeout = time.Minute

// run runs a program to its end and returns all that it prints.
func (p Programs) run(ctx context.Context, stdin []byte, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("it has not ended after %s", checkTimeout))
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(p.Folder, name), args...)
	command.Stdin = bytes.NewReader(stdin)
	output, err := command.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return string(output), err
}

// components are the programs that take feature gates as flags, and read them
// before they tell their version. The kubelet and kube-proxy have the same ones.
var components = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"}

// CheckGates fails if a component would not start with some feature gates:
// unknown ones, those that cannot be changed any more, and those that need
// others.
func (p Programs) CheckGates(ctx context.Context, gates map[string]bool) error {
	if len(gates) == 0 {
		return nil
	}
	flag := "--feature-gates=" + (&Config{FeatureGates: gates}).gates()
	for _, component := range components {
		output, err := p.run(ctx, nil, component, flag, "--version")
		if err == nil {
			continue
		}
		err = fmt.Errorf("featureGates: %s of Kubernetes %s refuses them: %s", component, p.Version, reason(output, err))
		if unknown := unknownGate.FindStringSubmatch(output); unknown != nil {
			return cli.WithHint(err, "%s", p.suggestion(ctx, component, unknown[1]))
		}
		return err
	}
	return nil
}

var (
	unknownGate  = regexp.MustCompile(`unrecognized feature gate: ([A-Za-z0-9_]+)`)
	listedGate   = regexp.MustCompile(`(?m)^\s*(?:kube:)?([A-Za-z0-9_]+)=true\|false`)
	quotedReason = regexp.MustCompile(`err="((?:[^"\\]|\\.)*)"`)
)

// reason is what a program gives for its end.
func reason(output string, err error) string {
	if found := quotedReason.FindStringSubmatch(output); found != nil {
		return found[1]
	}
	if output = strings.TrimSpace(output); output != "" {
		first, _, _ := strings.Cut(output, "\n")
		return strings.TrimPrefix(first, "error: ")
	}
	return err.Error()
}

func (p Programs) suggestion(ctx context.Context, component, gate string) string {
	help, err := p.run(ctx, nil, component, "--help")
	if err != nil {
		return "remove " + gate
	}
	var names []string
	for _, found := range listedGate.FindAllStringSubmatch(help, -1) {
		names = append(names, found[1])
	}
	if best := manifest.Closest(gate, names); best != "" {
		return "did you mean " + best + "?"
	}
	return "remove " + gate + ": this Kubernetes has no such gate, or has it no more since its feature is always on"
}

var unknownField = regexp.MustCompile(`unknown field "([^"]+)"|Go struct field (?:[A-Za-z]+\.)*?([a-z][A-Za-z.]*) of type`)

// CheckKubelet fails if fields are none of the runtime's KubeletConfiguration,
// or have values of another type. Lines are those of the fields in a file, by
// their paths.
func (p Programs) CheckKubelet(ctx context.Context, fields map[string]any, lines map[string]int) error {
	if len(fields) == 0 {
		return nil
	}
	if gates, ok := fields["featureGates"].(object); ok {
		if err := p.CheckGates(ctx, truthsOf(gates)); err != nil {
			return fmt.Errorf("kubelet.config: %w", err)
		}
	}
	document := maps.Clone(fields)
	document["apiVersion"], document["kind"] = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"
	content, err := yaml.Marshal(document)
	if err != nil {
		return err
	}
	cluster := "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v" + p.Version + "\n---\n"
	output, err := p.run(ctx, append([]byte(cluster), content...), "kubeadm", "config", "validate", "--config=/dev/stdin")
	if err == nil {
		return nil
	}
	found := unknownField.FindStringSubmatch(output)
	if found == nil {
		// What it prints may quote values.
		return errors.New("kubelet.config: kubeadm of Kubernetes " + p.Version + " refuses it: fields have wrong values")
	}
	name, problem := found[1], "unknown field"
	if name == "" {
		name, problem = found[2], "the value has another type:"
	}
	place := "--config: "
	if line := lines[name]; line != 0 {
		place += fmt.Sprintf("line %d: ", line)
	}
	return fmt.Errorf("%skubelet.config of Kubernetes %s: %s %q", place, p.Version, problem, name)
}

func truthsOf(gates object) map[string]bool {
	truths := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(gates)) {
		if on, ok := gates[name].(bool); ok {
			truths[name] = on
		}
	}
	return truths
}
