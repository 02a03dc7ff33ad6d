package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// binaries is where programs are in every layer. kubeadm's manifests name the
// path of kube-proxy in full.
const binaries = "usr/local/bin"

// prefetch starts what takes long in the order in which it is needed, beside
// the assembly: root file systems in one lane, compilations in another.
func (b *builder) prefetch(ctx context.Context, group *errgroup.Group, releases []runtime.Release) {
	group.Go(func() error {
		for i, release := range releases {
			programs := []program{b.kubernetes(release)}
			if i == 0 {
				programs = append(programs, addonsProgram(release))
				programs = append(programs, enginePrograms(release)...)
				programs = append(programs, etcdProgram(release), registryProgram(release))
			}
			for _, p := range programs {
				if p.cgo {
					continue // waits for the build root, made in the other lane
				}
				if _, err := b.compile(ctx, p); err != nil {
					return err
				}
			}
		}
		return nil
	})
	group.Go(func() error {
		if _, err := b.buildRoot(ctx); err != nil {
			return err
		}
		if _, _, err := b.rootLayers(ctx); err != nil {
			return err
		}
		_, err := b.compilePause(ctx, b.catalogue.Releases[0])
		return err
	})
}

// parts are the layers that the images of a runtime are assembled from, and
// the executables in them.
type parts struct {
	base, system, engine, kube, etcd, addons, registry, pause, files layer
	executables                                                      []executable
}

// executable is a compiled program, for the bill of materials.
type executable struct {
	program program
	path    string
}

// buildRuntime makes one runtime and puts it into the layout.
func (b *builder) buildRuntime(ctx context.Context, release runtime.Release) error {
	p, err := b.makeParts(ctx, release)
	if err != nil {
		return err
	}
	names, err := b.kubeadmImages(ctx, release, p)
	if err != nil {
		return err
	}
	images, err := imagesOf(release, p, names)
	if err != nil {
		return err
	}
	if p.files, err = b.filesLayer(ctx, release, names); err != nil {
		return err
	}
	images = append(images, image{
		name: runtime.MasterReference(release.Version), role: runtime.RoleMaster, version: release.Version,
		title:      "Gravity master container",
		layers:     []layer{p.base, p.system, p.engine, p.etcd, p.registry, p.addons, p.kube, p.files},
		entrypoint: []string{"/lib/systemd/systemd"},
	})
	var named []v1.Descriptor
	for _, i := range images {
		descriptor, err := b.putImage(i)
		if err != nil {
			return fmt.Errorf("image %s: %w", i.name, err)
		}
		named = append(named, descriptor)
	}
	artifact, err := b.putArtifact(release, p, images, named)
	if err != nil {
		return err
	}
	return b.layout.set(append(named, artifact))
}

func (b *builder) makeParts(ctx context.Context, release runtime.Release) (parts, error) {
	var p parts
	var err error
	if p.base, p.system, err = b.rootLayers(ctx); err != nil {
		return p, err
	}
	single := []struct {
		into       *layer
		name       string
		components string
		programs   []program
	}{
		{&p.kube, "kube", "kubernetes=" + release.Version, []program{b.kubernetes(release)}},
		{&p.engine, "engine", componentsOf(release, "containerd", "runc", "cni-plugins"), enginePrograms(release)},
		{&p.etcd, "etcd", componentsOf(release, "etcd"), []program{etcdProgram(release)}},
		{&p.addons, "addons", componentsOf(release, "coredns", "flannel", "helm"), []program{addonsProgram(release)}},
		{&p.registry, "registry", componentsOf(release, "registry"), []program{registryProgram(release)}},
	}
	for _, s := range single {
		made, executables, err := b.programLayer(ctx, s.name, s.components, s.programs)
		if err != nil {
			return p, err
		}
		*s.into = made
		p.executables = append(p.executables, executables...)
	}
	p.pause, err = b.pauseLayer(ctx)
	return p, err
}

func componentsOf(release runtime.Release, names ...string) string {
	pairs := make([]string, 0, len(names))
	for _, name := range names {
		pairs = append(pairs, name+"="+release.Components[name])
	}
	return strings.Join(pairs, ",")
}

// programLayer puts compiled programs and their links into a layer. Network
// plugins go where containerd looks for them.
func (b *builder) programLayer(ctx context.Context, name, components string, programs []program) (layer, []executable, error) {
	var entries []entry
	var executables []executable
	var digests []string
	for _, p := range programs {
		path, err := b.compile(ctx, p)
		if err != nil {
			return layer{}, nil, err
		}
		folder := binaries
		if p.module == "components/cni" {
			folder = "opt/cni/bin"
		}
		executables = append(executables, executable{program: p, path: path})
		entries = append(entries, entry{name: folder + "/" + p.name, mode: 0o755, file: path})
		digests = append(digests, filepath.Base(filepath.Dir(path)))
		for _, link := range p.links {
			entries = append(entries, entry{name: folder + "/" + link, link: p.name})
			digests = append(digests, link)
		}
	}
	made, err := b.makeLayer(ctx, name, components, []any{digests}, func(w io.Writer) error {
		return writeEntries(w, entries, b.catalogue.SourceDate)
	})
	return made, executables, err
}

func (b *builder) pauseLayer(ctx context.Context) (layer, error) {
	newest := b.catalogue.Releases[0]
	path, err := b.compilePause(ctx, newest)
	if err != nil {
		return layer{}, err
	}
	return b.makeLayer(ctx, "pause", "pause="+newest.Version, []any{filepath.Base(filepath.Dir(path))}, func(w io.Writer) error {
		return writeEntries(w, []entry{{name: "pause", mode: 0o755, file: path}}, b.catalogue.SourceDate)
	})
}

// kubeadmImages asks the release's own kubeadm for the images that it wants.
func (b *builder) kubeadmImages(ctx context.Context, release runtime.Release, p parts) ([]string, error) {
	for _, e := range p.executables {
		if e.program.name != "kube" {
			continue
		}
		output, err := b.tools.run(ctx, "/", e.path, "kubeadm", "config", "images", "list", "--kubernetes-version", "v"+release.Version)
		if err != nil {
			return nil, err
		}
		names := strings.Fields(output)
		slices.Sort(names)
		return names, nil
	}
	return nil, fmt.Errorf("no kubeadm among the programs")
}

// imagesOf assembles every image that kubeadm wants, and flannel. A name that
// is not known here is an error: a cluster would wait for it forever.
func imagesOf(release runtime.Release, p parts, names []string) ([]image, error) {
	var images []image
	for _, name := range names {
		program, _, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
		i := image{name: name, role: runtime.RoleImage, title: program, workdir: "/"}
		switch program {
		case "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy":
			i.layers, i.version, i.entrypoint = []layer{p.base, p.kube}, release.Version, []string{"/" + binaries + "/" + program}
		case "etcd":
			i.layers, i.version = []layer{p.base, p.etcd}, release.Components["etcd"]
		case "coredns":
			// Low ports are open to everybody in containerd's network namespaces.
			i.layers, i.version, i.user = []layer{p.base, p.addons}, release.Components["coredns"], "65532:65532"
			i.entrypoint = []string{"/" + binaries + "/coredns"}
		case "pause":
			// Runtimes share it, so nothing of it may name this one.
			i.layers, i.version = []layer{p.pause}, strings.TrimPrefix(p.pause.Components, "pause=")
			i.user, i.entrypoint = "65535:65535", []string{"/pause"}
		default:
			return nil, fmt.Errorf("kubeadm %s asks for the image %s, which the recipe cannot make", release.Version, name)
		}
		images = append(images, i)
	}
	flannel := release.Components["flannel"]
	return append(images, image{
		name: runtime.FlannelReference(flannel), role: runtime.RoleImage, title: "flannel", version: flannel, workdir: "/",
		layers: []layer{p.base, p.addons}, entrypoint: []string{"/" + binaries + "/flanneld"},
	}), nil
}

// filesLayer is what the master container has besides programs: the files
// below the folder rootfs, with the names of images filled in.
func (b *builder) filesLayer(ctx context.Context, release runtime.Release, names []string) (layer, error) {
	folder := filepath.Join(b.source, "rootfs")
	sources, err := hashTree(folder, nil)
	if err != nil {
		return layer{}, err
	}
	var pause string
	for _, name := range names {
		if strings.Contains(name, "/pause:") {
			pause = name
		}
	}
	replacer := strings.NewReplacer(
		"@PAUSE_IMAGE@", pause,
		"@FLANNEL_IMAGE@", runtime.FlannelReference(release.Components["flannel"]),
	)
	return b.makeLayer(ctx, "files", "configuration="+release.Version, []any{sources, pause, release}, func(w io.Writer) error {
		entries, err := filesBelow(folder, replacer)
		if err != nil {
			return err
		}
		return writeEntries(w, entries, b.catalogue.SourceDate)
	})
}

// putArtifact stores the catalogue entry, the bill of materials and the index
// over everything.
func (b *builder) putArtifact(release runtime.Release, p parts, images []image, named []v1.Descriptor) (v1.Descriptor, error) {
	document := runtime.ReleaseDocument{Release: release}
	for _, i := range images {
		if i.role == runtime.RoleImage {
			document.Images = append(document.Images, i.name)
		}
	}
	slices.Sort(document.Images)
	content, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return v1.Descriptor{}, err
	}
	entry, err := b.putDocument(runtime.ReleaseMediaType, runtime.RoleRelease, "release.json", content)
	if err != nil {
		return v1.Descriptor{}, err
	}
	materials, err := b.billOfMaterials(release, p.executables)
	if err != nil {
		return v1.Descriptor{}, err
	}
	sbom, err := b.putDocument(runtime.SBOMMediaType, runtime.RoleSBOM, "sbom.spdx.json", materials)
	if err != nil {
		return v1.Descriptor{}, err
	}
	manifests := append(slices.Clone(named), entry, sbom)
	sortDescriptors(manifests)
	descriptor, err := b.layout.putJSON(types.OCIImageIndex, struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     types.MediaType   `json:"mediaType"`
		ArtifactType  string            `json:"artifactType"`
		Manifests     []v1.Descriptor   `json:"manifests"`
		Annotations   map[string]string `json:"annotations"`
	}{2, types.OCIImageIndex, runtime.ArtifactType, manifests, map[string]string{runtime.AnnotationVersion: release.Version}})
	if err != nil {
		return v1.Descriptor{}, err
	}
	descriptor.ArtifactType = runtime.ArtifactType
	descriptor.Annotations = map[string]string{
		refName: runtime.Reference(release.Version), runtime.AnnotationVersion: release.Version, runtime.AnnotationRecipe: b.recipe,
	}
	return descriptor, nil
}

// filesBelow reads a folder: regular files, those with a shebang executable,
// and symbolic links.
func filesBelow(folder string, replacer *strings.Replacer) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		e := entry{name: filepath.ToSlash(name), mode: 0o644}
		if d.Type()&os.ModeSymlink != 0 {
			e.link, err = os.Readlink(path)
		} else {
			var content []byte
			content, err = os.ReadFile(path)
			e.data = []byte(replacer.Replace(string(content)))
			if strings.HasPrefix(string(content), "#!") {
				e.mode = 0o755
			}
		}
		entries = append(entries, e)
		return err
	})
	return entries, err
}
