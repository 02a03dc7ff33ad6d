package policy

import (
	"bytes"
	"fmt"
	"go/ast"
	"io/fs"
)

// maxLines is how long a file written by hand may be. Most are about a hundred
// lines; one that nears this is about several things.
const maxLines = 600

// checkSizes finds files with more than limit lines.
func checkSizes(tree fs.FS, limit int) ([]string, error) {
	files, err := goFiles(tree)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, name := range files {
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		lines := bytes.Count(source, []byte("\n"))
		if lines <= limit {
			continue
		}
		file, err := parseHead(tree, name)
		if err != nil {
			return nil, err
		}
		if !ast.IsGenerated(file) {
			problems = append(problems, fmt.Sprintf("%s: %d lines, at most %d; split it by concept", name, lines, limit))
		}
	}
	return problems, nil
}
