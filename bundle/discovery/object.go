package discovery

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

// finding is a field that names an image.
type finding struct {
	text   string
	node   *yaml.Node // has the text; for a pair of fields, the second one
	pair   bool       // text was made of two fields
	field  string
	object string
	reason Reason
}

// objects finds the images that the Kubernetes objects of documents name.
type objects struct {
	found    []finding
	problems []complaint
	notes    []complaint
	object   string // the object that is being looked at
}

// complaint is something to say about a line.
type complaint struct {
	line          int
	message, hint string
}

func (o *objects) add(reason Reason, field string, node *yaml.Node, text string) {
	o.found = append(o.found, finding{text: text, node: node, field: field, object: o.object, reason: reason})
}

// identity is apiVersion and kind of a node; ok says whether it has both, which
// makes it an object of Kubernetes.
func identity(node *yaml.Node) (group, kind string, ok bool) {
	version, hasVersion := document.Text(document.Get(node, "apiVersion"))
	kind, hasKind := document.Text(document.Get(node, "kind"))
	group, _, named := strings.Cut(version, "/")
	if !named {
		group = ""
	}
	return group, kind, hasVersion && hasKind && version != "" && kind != ""
}

// scan looks at an object, or at the objects of a list. Items of a typed list
// (a DeploymentList) need not say again what they are.
func (o *objects) scan(node *yaml.Node, field, group, kind string) {
	if ownGroup, ownKind, ok := identity(node); ok {
		group, kind = ownGroup, ownKind
	}
	items := document.Get(node, "items")
	if single, ok := strings.CutSuffix(kind, "List"); ok && items != nil && items.Kind == yaml.SequenceNode {
		for i, item := range document.Items(items) {
			o.scan(item, document.Index(document.Join(field, "items"), i), group, single)
		}
		return
	}
	o.object = kind
	if title, ok := document.Text(document.Dig(node, "metadata", "name")); ok {
		o.object = kind + " " + title
	}
	o.annotations(document.Dig(node, "metadata", "annotations"), document.Join(document.Join(field, "metadata"), "annotations"))
	switch path, workload := podSpecs[kind]; {
	case workload && workloadGroups[group]:
		o.workload(node, field, path)
	case group == imageSetGroup && kind == "ImageSet":
		o.imageSet(node, field)
	case isManifest(group, kind):
		// Its hooks are given by whoever reads manifests.
	case builtIn(group):
		if kind == "ConfigMap" {
			o.configMap(document.Get(node, "data"), document.Join(field, "data"))
		}
	default:
		o.custom(node, field)
	}
}

// imageSetGroup is the group of the helper kind ImageSet, and of manifests.
const imageSetGroup = "cluster.gravitational.io"

// isManifest says whether an object is the manifest of an application.
func isManifest(group, kind string) bool {
	switch group {
	case imageSetGroup, "bundle.gravitational.io", "app.gravitational.io":
	default:
		return false
	}
	switch kind {
	case "Bundle", "Cluster", "Application", "SystemApplication", "Runtime":
		return true
	}
	return false
}

// builtIn says whether a group is Kubernetes' own. Its kinds other than
// workloads name no images.
func builtIn(group string) bool {
	switch group {
	case "", "apps", "autoscaling", "batch", "extensions", "policy":
		return true
	}
	suffix, ok := strings.CutSuffix(group, ".k8s.io")
	// Projects around Kubernetes have groups such as cluster.x-k8s.io, and
	// snapshot.storage.k8s.io or metrics.k8s.io; those with a dot more than
	// Kubernetes' own, or outside this list, are custom resources.
	return ok && builtInGroups[suffix]
}

var builtInGroups = map[string]bool{
	"admissionregistration": true, "apiextensions": true, "apiregistration": true, "authentication": true,
	"authorization": true, "certificates": true, "coordination": true, "discovery": true, "events": true,
	"flowcontrol.apiserver": true, "internal.apiserver": true, "networking": true, "node": true,
	"kustomize.config":   true, // not of the API; its images rename those of others
	"rbac.authorization": true, "resource": true, "scheduling": true, "storage": true, "storagemigration": true,
}

// imageSet looks at spec.images[].image.
func (o *objects) imageSet(node *yaml.Node, field string) {
	images := document.Dig(node, "spec", "images")
	field = document.Join(document.Join(field, "spec"), "images")
	if images == nil || images.Kind != yaml.SequenceNode {
		o.complain(node, "", "%s of an ImageSet is not a list", field)
		return
	}
	for i, item := range document.Items(images) {
		field := document.Join(document.Index(field, i), "image")
		if image := document.Get(item, "image"); image != nil {
			o.image(ImageSet, image, field)
		} else {
			o.complain(item, "", "%s of an ImageSet is missing", field)
		}
	}
}
