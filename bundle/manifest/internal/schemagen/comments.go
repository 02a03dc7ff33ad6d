package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// comments are the descriptions in Go source: of types by their name, of
// fields by TYPE.FIELD, of the constants of a type by TYPE=VALUE.
type comments map[string]string

// readComments reads the Go files of a folder, without tests.
func readComments(dir string) (comments, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	found := comments{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, declaration := range file.Decls {
			if group, ok := declaration.(*ast.GenDecl); ok {
				found.addGroup(group)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no Go types in %s", dir)
	}
	return found, nil
}

func (c comments) addGroup(group *ast.GenDecl) {
	for _, spec := range group.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			c[spec.Name.Name] = sentence(group.Doc)
			if structure, ok := spec.Type.(*ast.StructType); ok {
				c.addFields(spec.Name.Name, structure)
			}
		case *ast.ValueSpec:
			kind, isNamed := spec.Type.(*ast.Ident)
			if !isNamed || len(spec.Values) != 1 {
				continue
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if value, err := strconv.Unquote(literal.Value); err == nil {
					c[kind.Name+"="+value] = sentence(spec.Doc)
				}
			}
		}
	}
}

func (c comments) addFields(structure string, of *ast.StructType) {
	for _, field := range of.Fields.List {
		for _, name := range field.Names {
			c[structure+"."+name.Name] = sentence(field.Doc)
		}
	}
}

// feature are the ids of features, which mean nothing to users of the schema.
var feature = regexp.MustCompile(` \(S\d+\)`)

// sentence is a comment on one line.
func sentence(doc *ast.CommentGroup) string {
	if doc == nil {
		return ""
	}
	return feature.ReplaceAllString(strings.Join(strings.Fields(doc.Text()), " "), "")
}
