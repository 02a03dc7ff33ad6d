package kustomization

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

// memory is where the application's folder lies in the copy that kustomize sees.
const memory = "/application"

// building guards kustomize, which keeps schemas in global variables.
var building sync.Mutex

// build builds a kustomization of which everything was found.
func build(survey *survey, root *source) ([]discovery.Text, error) {
	files := filesys.MakeFsInMemory()
	for part := range survey.parts(root) {
		for file := range part.files {
			data, err := fs.ReadFile(survey.application, file)
			if err != nil {
				return nil, err
			}
			if err := files.WriteFile(path.Join(memory, file), data); err != nil {
				return nil, err
			}
		}
	}
	tracked, err := withOrigins(root)
	if err != nil {
		return nil, err
	}
	if err := files.WriteFile(path.Join(memory, root.file), tracked); err != nil {
		return nil, err
	}
	built, err := run(files, path.Join(memory, root.folder))
	if err != nil {
		return nil, err
	}
	var texts []discovery.Text
	for _, object := range built.Resources() {
		text, err := textOf(survey, root, object)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func run(files filesys.FileSystem, folder string) (built resmap.ResMap, err error) {
	building.Lock()
	defer building.Unlock()
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("cannot be built: %v", cause)
		}
	}()
	options := krusty.MakeDefaultOptions()
	// The copy has nothing that must not be read.
	options.LoadRestrictions = types.LoadRestrictionsNone
	return krusty.MakeKustomizer(options).Run(files, folder)
}

// withOrigins is the kustomization's file, changed so that every object tells
// which file it came from.
func withOrigins(root *source) ([]byte, error) {
	node := *root.node
	node.Content = slices.Clone(node.Content)
	annotations := &yaml.Node{Kind: yaml.ScalarNode, Value: types.OriginAnnotations}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "buildMetadata" && node.Content[i+1].Kind == yaml.SequenceNode {
			list := *node.Content[i+1]
			list.Content = append(slices.Clone(list.Content), annotations)
			node.Content[i+1] = &list
			return yaml.Marshal(&node)
		}
	}
	node.Content = append(node.Content,
		&yaml.Node{Kind: yaml.ScalarNode, Value: "buildMetadata"},
		&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{annotations}})
	return yaml.Marshal(&node)
}

// textOf is an object that was built, with the file it came from.
func textOf(survey *survey, root *source, object *resource.Resource) (discovery.Text, error) {
	file := root.file
	if origin, err := object.GetOrigin(); err == nil && origin != nil {
		switch {
		case origin.Path != "":
			file = path.Join(root.folder, origin.Path)
		case origin.ConfiguredIn != "":
			file = path.Join(root.folder, origin.ConfiguredIn)
		}
	}
	if err := object.SetOrigin(nil); err != nil {
		return discovery.Text{}, err
	}
	data, err := object.AsYAML()
	if err != nil {
		return discovery.Text{}, err
	}
	var source *yaml.Node
	if original, err := fs.ReadFile(survey.application, file); err == nil {
		source = originalOf(original, object.GetKind(), object.GetName())
	}
	var built *yaml.Node
	if roots, err := document.ParseYAML(data); err == nil && len(roots) == 1 {
		built = roots[0]
	}
	return discovery.Text{
		File: file, YAML: data,
		Locate: func(_ int, field string) (string, int) { return file, lineOf(source, built, field) },
	}, nil
}
