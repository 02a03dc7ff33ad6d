package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What is measured, in the order in which it is shown.
const (
	teleCold      = "tele build, cold"
	teleUnchanged = "tele build, nothing changed"
	teleRemoved   = "tele build, output removed"
	telePush      = "tele push, nothing changed"
	craneTar      = "crane pull, and tar"
	craneDurable  = "crane pull, tar, and sync"
	skopeoCopy    = "skopeo copy, one by one"
)

var measured = []string{teleCold, teleUnchanged, teleRemoved, telePush, craneTar, craneDurable, skopeoCopy}

// scenario is some images and a latency, with the figures of all runs.
type scenario struct {
	Images  int                  `json:"images"`
	Size    int64                `json:"size"`
	Latency time.Duration        `json:"latency"`
	Runs    map[string][]figures `json:"runs"`
}

// bench has what all measurements need.
type bench struct {
	settings
	// folder is removed in the end.
	folder string
	tell   func(format string, values ...any)
}

// compare measures tele and its peers with some images.
func (b *bench) compare(ctx context.Context, images int, size int64) ([]scenario, error) {
	folder := filepath.Join(b.folder, "images")
	defer os.RemoveAll(folder)
	b.tell("making %d images", images)
	from, err := startSource(ctx, folder, images, size, false)
	if err != nil {
		return nil, err
	}
	defer from.close()
	application, err := b.application(fmt.Sprintf("images%d", images), from.Images)
	if err != nil {
		return nil, err
	}
	var results []scenario
	for _, latency := range b.Latencies {
		result := scenario{Images: images, Size: from.Blobs, Latency: latency, Runs: map[string][]figures{}}
		for i := range b.Repeat {
			b.tell("%d images, latency %s, %d of %d", images, latency, i+1, b.Repeat)
			group := []func(*trial, context.Context) error{(*trial).tele, (*trial).crane, (*trial).skopeo}
			for j := range group {
				t := &trial{bench: b, from: from, application: application, latency: latency, runs: result.Runs}
				if err := t.do(ctx, group[(i+j)%len(group)]); err != nil {
					return nil, err
				}
			}
		}
		results = append(results, result)
	}
	return results, nil
}

// trial is one tool's turn, in an empty folder.
type trial struct {
	*bench
	from        *source
	application string
	latency     time.Duration
	runs        map[string][]figures
	folder      string
}

func (t *trial) do(ctx context.Context, tool func(*trial, context.Context) error) error {
	t.folder = filepath.Join(t.bench.folder, "trial")
	if err := os.Mkdir(t.folder, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(t.folder)
	return tool(t, ctx)
}

func (t *trial) tele(ctx context.Context) error {
	output := filepath.Join(t.folder, "bundle.tar")
	arguments := []string{"build", t.application, "-q", "-f", "-o", output, "--insecure=" + t.from.Host, "--state-dir=" + filepath.Join(t.folder, "state")}
	for _, what := range []string{teleCold, teleUnchanged, teleRemoved} {
		if what == teleRemoved {
			if err := os.Remove(output); err != nil {
				return err
			}
		}
		took, err := t.measure(ctx, func() (figures, error) { return run(ctx, t.Tele, arguments...) })
		if err != nil {
			return err
		}
		t.runs[what] = append(t.runs[what], took)
	}
	return t.push(ctx, output)
}

// push pushes the bundle to the registry that its images are from, and measures
// what it costs to do so again.
func (t *trial) push(ctx context.Context, path string) error {
	arguments := []string{"push", path, t.from.Host + "/bundles", "-q", "--insecure=" + t.from.Host, "--state-dir=" + filepath.Join(t.folder, "state")}
	if _, err := run(ctx, t.Tele, arguments...); err != nil {
		return err
	}
	took, err := t.measure(ctx, func() (figures, error) { return run(ctx, t.Tele, arguments...) })
	if err != nil {
		return err
	}
	t.runs[telePush] = append(t.runs[telePush], took)
	return nil
}

func (t *trial) crane(ctx context.Context) error {
	layout, output := filepath.Join(t.folder, "layout"), filepath.Join(t.folder, "layout.tar")
	arguments := append([]string{"pull", "--format=oci", "--platform=linux/amd64"}, t.from.Images...)
	both, err := t.measure(ctx, func() (figures, error) {
		pulled, err := run(ctx, t.Crane, append(arguments, layout)...)
		if err != nil {
			return pulled, err
		}
		packed, err := run(ctx, "tar", "-cf", output, "-C", layout, ".")
		return pulled.then(packed), err
	})
	if err != nil {
		return err
	}
	t.runs[craneTar] = append(t.runs[craneTar], both)
	// What tele wrote survives a power failure; this is what that costs.
	synced, err := run(ctx, "sync", output)
	t.runs[craneDurable] = append(t.runs[craneDurable], both.then(synced))
	return err
}

func (t *trial) skopeo(ctx context.Context) error {
	layout := filepath.Join(t.folder, "layout")
	all, err := t.measure(ctx, func() (figures, error) {
		var all figures
		for i, image := range t.from.Images {
			copied, err := run(ctx, "skopeo", "copy", "--quiet", "--src-tls-verify=false", "docker://"+image, "oci:"+layout+":"+strconv.Itoa(i))
			if err != nil {
				return all, err
			}
			all = all.then(copied)
		}
		return all, nil
	})
	t.runs[skopeoCopy] = append(t.runs[skopeoCopy], all)
	return err
}

// measure runs something when all that was written before is on disk, and adds
// its requests.
func (t *trial) measure(ctx context.Context, what func() (figures, error)) (figures, error) {
	syscall.Sync()
	if _, err := t.from.counts(ctx, t.latency); err != nil {
		return figures{}, err
	}
	took, err := what()
	if err != nil {
		return figures{}, err
	}
	took.Counts, err = t.from.counts(ctx, t.latency)
	return took, err
}

// application makes one that asks for images, without a runtime.
func (b *bench) application(name string, images []string) (string, error) {
	folder := filepath.Join(b.folder, name+"-application")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", err
	}
	version, kind := "app", "Application"
	if len(images) == 0 {
		version, kind = "bundle", "Bundle"
	}
	manifest := fmt.Sprintf("apiVersion: %s.gravitational.io/v2\nkind: %s\nmetadata:\n  name: %s\n  resourceVersion: 1.0.0\n", version, kind, name)
	if err := os.WriteFile(filepath.Join(folder, "app.yaml"), []byte(manifest), 0o644); err != nil {
		return "", err
	}
	var pod strings.Builder
	pod.WriteString("apiVersion: v1\nkind: Pod\nmetadata:\n  name: all\nspec:\n  containers:\n")
	for i, image := range images {
		fmt.Fprintf(&pod, "  - name: c%d\n    image: %s\n", i, image)
	}
	if len(images) == 0 {
		return folder, nil
	}
	return folder, os.WriteFile(filepath.Join(folder, "pod.yaml"), []byte(pod.String()), 0o644)
}
