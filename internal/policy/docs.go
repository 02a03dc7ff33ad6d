package policy

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// checkDocs demands one package comment in each directory: none leaves readers
// without a start, and of two nobody knows which is right.
func checkDocs(tree fs.FS) ([]string, error) {
	files, err := goFiles(tree)
	if err != nil {
		return nil, err
	}
	documented := map[string][]string{} // files with a package comment, by directory
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		has, err := hasDoc(tree, name)
		if err != nil {
			return nil, err
		}
		dir := path.Dir(name)
		in := documented[dir]
		if has {
			in = append(in, path.Base(name))
		}
		documented[dir] = in
	}
	var problems []string
	for _, dir := range slices.Sorted(maps.Keys(documented)) {
		switch in := documented[dir]; len(in) {
		case 0:
			problems = append(problems, fmt.Sprintf("%s: no file has a package comment", dir))
		case 1:
		default:
			problems = append(problems, fmt.Sprintf("%s: several files have a package comment: %s", dir, strings.Join(in, ", ")))
		}
	}
	return problems, nil
}

func hasDoc(tree fs.FS, name string) (bool, error) {
	file, err := parseHead(tree, name)
	if err != nil {
		return false, err
	}
	// Directives, such as //go:build, are no text.
	return file.Doc.Text() != "", nil
}
