package discovery

import (
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

var (
	// imageKey is the name of a field that holds an image, imagesKey of one that
	// holds several.
	imageKey  = regexp.MustCompile(`^(?:image|[A-Za-z0-9]+(?:Image|_image))$`)
	imagesKey = regexp.MustCompile(`^(?:images|[A-Za-z0-9]+(?:Images|_images))$`)
)

// custom looks at an object of a kind that Kubernetes does not know. Its fields
// mean what their names say.
func (o *objects) custom(node *yaml.Node, field string) {
	for key, value := range document.Fields(node) {
		switch key {
		case "apiVersion", "kind", "metadata", "status":
			// Nothing there makes pods; annotations were looked at.
		default:
			o.customField(node, key, value, document.Join(field, key))
		}
	}
}

// customField looks at a field; parent is the mapping that has it.
func (o *objects) customField(parent *yaml.Node, key string, value *yaml.Node, field string) {
	if value == nil {
		return
	}
	switch value.Kind {
	case yaml.ScalarNode:
		if imageKey.MatchString(key) {
			o.customImage(parent, key, value, field)
		}
	case yaml.SequenceNode:
		for i, item := range document.Items(value) {
			if imagesKey.MatchString(key) && isScalar(item) {
				o.customImage(nil, key, item, document.Index(field, i))
				continue
			}
			o.customField(nil, "", item, document.Index(field, i))
		}
	case yaml.MappingNode:
		o.program(value, field)
		o.pair(key, value, field)
		for below, child := range document.Fields(value) {
			if imagesKey.MatchString(key) && isScalar(child) {
				o.customImage(nil, key, child, document.Join(field, below))
				continue
			}
			o.customField(value, below, child, document.Join(field, below))
		}
	}
}

// customImage is a field that holds an image by its name. A reference without a
// tag may have it in a field beside it.
func (o *objects) customImage(parent *yaml.Node, key string, node *yaml.Node, field string) {
	text, ok := document.Text(node)
	if !ok || text == "" {
		return
	}
	if !versioned(text) {
		beside := []string{"tag", "imageTag"}
		if key == "baseImage" { // the pair of early operators
			beside = append(beside, "version")
		}
		for _, name := range beside {
			if tag := document.Get(parent, name); isScalar(tag) && tag.Value != "" {
				o.customPair(text+":"+tag.Value, tag, field)
				return
			}
		}
	}
	if reason, ok := o.weigh(text, node, field); ok {
		o.add(reason, field, node, text)
	}
}

// pair looks for an image in the parts that charts and operators divide it
// into: registry, repository and tag or digest. key is the name of the mapping.
func (o *objects) pair(key string, node *yaml.Node, field string) {
	isImage := imageKey.MatchString(key)
	repository, ok := document.Text(document.Get(node, "repository"))
	if !ok && isImage {
		repository, ok = document.Text(document.Get(node, "name"))
	}
	registry, hasRegistry := document.Text(document.Get(node, "registry"))
	tag, digest := document.Get(node, "tag"), document.Get(node, "digest")
	if !ok || repository == "" || !isImage && !hasRegistry && !isScalar(tag) && !isScalar(digest) {
		return
	}
	text, last := repository, document.Get(node, "repository")
	if registry != "" {
		text = registry + "/" + repository
	}
	if isScalar(tag) && tag.Value != "" {
		text, last = text+":"+tag.Value, tag
	}
	if isScalar(digest) && digest.Value != "" {
		text, last = text+"@"+digest.Value, digest
	}
	if last == nil {
		last = node
	}
	o.customPair(text, last, field)
}

func (o *objects) customPair(text string, node *yaml.Node, field string) {
	if reason, ok := o.weigh(text, node, field); ok {
		o.add(reason, field, node, text)
		o.found[len(o.found)-1].pair = true
	}
}

// weigh decides what a field is worth that is an image by its name only: an
// image if it names a registry, or a tag or digest; a suspect if it might be
// one; a note if it cannot be.
func (o *objects) weigh(text string, node *yaml.Node, field string) (Reason, bool) {
	_, err := ParseReference(text)
	if err != nil || pictures[path.Ext(text)] {
		o.notes = append(o.notes, complaint{line: node.Line, message: field + " is not taken for an image: " + text})
		return "", false
	}
	if versioned(text) || hasRegistry(text) {
		return CustomResource, true
	}
	return Suspect, true
}

// pictures are the endings of files that are called images, too: pictures and
// images of disks.
var pictures = map[string]bool{
	".png": true, ".svg": true, ".jpg": true, ".jpeg": true, ".gif": true, ".ico": true, ".webp": true,
	".img": true, ".iso": true, ".qcow2": true, ".raw": true, ".vmdk": true, ".ova": true,
}

// versioned says whether a reference has a tag or a digest.
func versioned(text string) bool {
	return strings.Contains(text[strings.LastIndex(text, "/")+1:], ":") || strings.Contains(text, "@")
}

// hasRegistry says whether a reference begins with a registry.
func hasRegistry(text string) bool {
	first, _, ok := strings.Cut(text, "/")
	return ok && (strings.ContainsAny(first, ".:") || first == "localhost")
}

func isScalar(node *yaml.Node) bool { return node != nil && node.Kind == yaml.ScalarNode }
