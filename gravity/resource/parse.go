// Package resource reads files of configuration documents, as installations
// take them (S11): Kubernetes objects, and Gravity's own documents, which have a
// version instead of an apiVersion and are kept as Secrets, since they may hold
// some.
package resource

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const (
	// MaxSize is the most bytes that a file may have.
	MaxSize = 8 << 20
	// maxDocument is what a Secret holds, with room for the rest of it.
	maxDocument = 1<<20 - 64<<10
)

// File is a file of documents, sorted out.
type File struct {
	// Kubernetes are objects for Kubernetes, in the file's order.
	Kubernetes []*unstructured.Unstructured
	// Gravity are Gravity's documents, in the file's order.
	Gravity []Document
	// Environment is that of the RuntimeEnvironment, nil without one. It may hold
	// secrets.
	Environment map[string]string
	// Configuration is that of the ClusterConfiguration; without one it is empty.
	Configuration Configuration
	// Warnings tell what has no effect, or not the one that it seems to have, each
	// with the name of the file and a line.
	Warnings []string
}

// Document is a document of Gravity's own.
type Document struct {
	// Kind is the canonical name of the kind, Version the document's, Name what
	// tells it from others of its kind.
	Kind, Version, Name string
	// Line is where it begins in its file.
	Line int
	// Content is the whole document as JSON. It may hold secrets.
	Content []byte
}

// header is what sorts a document.
type header struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Version    string `yaml:"version"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
}

// Parse reads YAML documents, of which each JSON object is one. The error tells
// all that is wrong, each with the name of the file and a line; it has no values
// of fields that could be secrets.
func Parse(name string, content []byte) (*File, error) {
	if len(content) > MaxSize {
		return nil, fmt.Errorf("%s: it has more than %d bytes", name, MaxSize)
	}
	file := new(File)
	var problems []error
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return file, errors.Join(problems...)
		}
		if err != nil {
			// What follows cannot be read.
			return nil, errors.Join(append(problems, syntax(name, err))...)
		}
		if empty(&node) {
			continue
		}
		root := node.Content[0]
		notes := &notes{file: name}
		if err := file.add(root, notes); err != nil {
			notes.fail(root, err)
		}
		problems = append(problems, notes.problems...)
		file.Warnings = append(file.Warnings, notes.warnings...)
	}
}

// syntax is an error of the YAML library, which tells the line itself.
func syntax(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	err = fmt.Errorf("%s: %s", name, text)
	if strings.Contains(text, "cannot start any token") {
		return cli.WithHint(err, "text that begins with @ or a backquote needs quotes")
	}
	return err
}

func empty(node *yaml.Node) bool {
	return len(node.Content) == 0 || node.Content[0].Kind == yaml.ScalarNode && node.Content[0].Tag == "!!null"
}

// add sorts one document.
func (f *File) add(node *yaml.Node, notes *notes) error {
	if node.Kind != yaml.MappingNode {
		return errors.New("it is no mapping")
	}
	var head header
	if err := node.Decode(&head); err != nil {
		return plain(err)
	}
	if head.Kind == "" {
		return errors.New("the document has no kind")
	}
	if head.Version == "" {
		return f.addObjects(node, head)
	}
	document, err := newDocument(node, head)
	if err != nil {
		return err
	}
	for _, other := range f.Gravity {
		if other.Kind == document.Kind && other.Name == document.Name {
			return fmt.Errorf("the document of kind %s is a second one of its name: the first is at line %d", document.Kind, other.Line)
		}
	}
	f.Gravity = append(f.Gravity, document)
	switch document.Kind {
	case "runtimeenvironment":
		f.Environment = readEnvironment(node, notes)
	case "clusterconfiguration":
		f.Configuration = readConfiguration(node, notes)
	}
	return nil
}

// plain is an error of the YAML library without what it quotes: there may be
// secrets in it.
func plain(err error) error {
	if _, ok := errors.AsType[*yaml.TypeError](err); ok {
		return errors.New("apiVersion, kind, version and metadata.name are text")
	}
	return errors.New("it is not plain YAML")
}

// addObjects adds an object of Kubernetes, or the items of a list.
func (f *File) addObjects(node *yaml.Node, head header) error {
	if head.APIVersion == "" {
		return cli.WithHint(fmt.Errorf("the document of kind %s has neither apiVersion nor version", head.Kind),
			"objects of Kubernetes have an apiVersion, documents of Gravity a version, such as v1")
	}
	// As text again, and then by the rules that kubectl has.
	text, err := yaml.Marshal(node)
	if err != nil {
		return errors.New("it is not plain YAML")
	}
	objects, err := kube.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: it is no object of Kubernetes", head.Kind)
	}
	for _, object := range objects {
		if object.GetAPIVersion() == "" || object.GetKind() == "" || object.GetName() == "" {
			return fmt.Errorf("%s: an object has no apiVersion, kind or metadata.name", cmp.Or(object.GetKind(), head.Kind))
		}
	}
	f.Kubernetes = append(f.Kubernetes, objects...)
	return nil
}

// fields are those that documents have.
var fields = []string{"kind", "version", "metadata", "spec"}

func newDocument(node *yaml.Node, head header) (Document, error) {
	kind, ok := FindKind(head.Kind)
	if !ok {
		return Document{}, cli.WithHint(fmt.Errorf("unknown kind %q of Gravity documents", head.Kind),
			"kinds are %s; an object of Kubernetes has an apiVersion and no version", strings.Join(Kinds(), ", "))
	}
	if !slices.Contains(kind.Versions, head.Version) {
		return Document{}, cli.WithHint(fmt.Errorf("%s resource version %q is not supported", kind.Name, head.Version),
			"write version: %s", kind.Versions[0])
	}
	for i := 0; i < len(node.Content); i += 2 {
		if key := node.Content[i].Value; !slices.Contains(fields, key) {
			return Document{}, fmt.Errorf("%s: unknown field %q; a document has %s", kind.Name, key, strings.Join(fields, ", "))
		}
	}
	name := head.Metadata.Name
	if name == "" && !kind.Single {
		return Document{}, fmt.Errorf("%s: metadata.name is missing", kind.Name)
	}
	if kind.Single {
		name = kind.Name
	}
	var values map[string]any
	if err := node.Decode(&values); err != nil {
		return Document{}, plain(err)
	}
	if _, ok := values["spec"].(map[string]any); !ok {
		return Document{}, fmt.Errorf("%s: spec is missing, or no mapping", kind.Name)
	}
	content, err := json.Marshal(values)
	if err != nil {
		return Document{}, fmt.Errorf("%s: keys of mappings are text", kind.Name)
	}
	if len(content) > maxDocument {
		return Document{}, fmt.Errorf("%s: the document has %d bytes, %d are the most", kind.Name, len(content), maxDocument)
	}
	return Document{Kind: kind.Name, Version: head.Version, Name: name, Line: node.Line, Content: content}, nil
}
