package discovery

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

// podSpecs are the kinds that make pods, and where each has the pod's
// specification. It is the same in all versions that ever were.
var podSpecs = map[string][]string{
	"Pod":                   {"spec"},
	"PodTemplate":           {"template", "spec"},
	"ReplicationController": {"spec", "template", "spec"},
	"ReplicaSet":            {"spec", "template", "spec"},
	"Deployment":            {"spec", "template", "spec"},
	"StatefulSet":           {"spec", "template", "spec"},
	"DaemonSet":             {"spec", "template", "spec"},
	"Job":                   {"spec", "template", "spec"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template", "spec"},
}

// workloadGroups are the groups that those kinds are or were in. The same kind
// of another group is a custom resource.
var workloadGroups = map[string]bool{"": true, "apps": true, "batch": true, "extensions": true}

// workload looks at the object's pods; path leads to their specification.
func (o *objects) workload(node *yaml.Node, field string, path []string) {
	for i, key := range path {
		// Annotations of the pods, which injectors of sidecars read.
		if i > 0 && path[i-1] == "template" {
			here := document.Join(document.Join(field, "metadata"), "annotations")
			o.annotations(document.Dig(node, "metadata", "annotations"), here)
		}
		node, field = document.Get(node, key), document.Join(field, key)
	}
	for _, key := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for i, container := range document.Items(document.Get(node, key)) {
			o.container(container, document.Index(document.Join(field, key), i))
		}
	}
	for i, volume := range document.Items(document.Get(node, "volumes")) {
		if reference := document.Dig(volume, "image", "reference"); reference != nil {
			field := document.Index(document.Join(field, "volumes"), i)
			o.image(Workload, reference, field+".image.reference")
		}
	}
}

// container looks at a container: its image, and what its program may be told
// to start.
func (o *objects) container(container *yaml.Node, field string) {
	image := document.Get(container, "image")
	if text, ok := document.Text(image); image == nil || ok && text == "" {
		if container != nil {
			o.notes = append(o.notes, complaint{line: container.Line, message: field + " has no image"})
		}
	} else {
		o.image(Workload, image, document.Join(field, "image"))
	}
	o.program(container, field)
}

// image is a field that must hold a reference.
func (o *objects) image(reason Reason, node *yaml.Node, field string) {
	text, ok := document.Text(node)
	switch {
	case ok:
		o.add(reason, field, node, text)
	case node.Kind == yaml.MappingNode && node.Style&yaml.FlowStyle != 0:
		// Without quotes, YAML takes the braces of a template for mappings.
		o.complain(node, templateHint, "%s is a template, or is not a string", field)
	default:
		o.complain(node, "put it in quotes", "%s is not a string", field)
	}
}

func (o *objects) complain(node *yaml.Node, hint, format string, args ...any) {
	line := 1
	if node != nil {
		line = node.Line
	}
	o.problems = append(o.problems, complaint{line: line, message: fmt.Sprintf(format, args...), hint: hint})
}
