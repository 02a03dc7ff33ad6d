package manifest

import "go.yaml.in/yaml/v3"

// Origin tells where the text of a field is written: the file, and the line on
// which the text begins, from one. Of what Vendor put into the manifest that is
// the file or the address of the reference; a file is relative to the
// manifest's folder. The file is empty, and the line zero, where the manifest
// does not have the field.
func (m *Manifest) Origin(path string) (file string, line int) {
	if from := m.origins[path]; from != "" {
		if name, ok := Source(from).FileName(); ok {
			return name, 1
		}
		return from, 1
	}
	node := m.index[path].value
	if node == nil {
		return "", 0
	}
	if node.Kind == yaml.ScalarNode && node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return m.file, node.Line + 1 // the indicator's line has no text
	}
	return m.file, node.Line
}
