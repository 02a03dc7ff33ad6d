package discovery

import (
	"context"
	"io/fs"
)

// A Renderer turns folders of an application that are not plain objects, such as
// charts, into plain objects. Packages chart and kustomization have one each.
type Renderer interface {
	// Render renders folders, and archives where there are any of its kind, given
	// by their paths in the application's folder.
	// It reads nothing outside of the application's folder and asks nobody.
	// What is wrong with what it reads is a problem of the rendering; the error
	// is for what is wrong with the call. It may be called again.
	Render(ctx context.Context, application fs.FS, folders []string) (*Rendering, error)
}

// Rendering is what a Renderer made.
type Rendering struct {
	// Texts are streams of YAML documents.
	Texts []Text
	// Used are the files that were rendered, and are not to be looked at by
	// themselves.
	Used []string
	// Problems and Notes are about the files of the application.
	Problems []Problem
	Notes    []Note
}

// Text is a rendered stream of YAML documents.
type Text struct {
	// File is what it was rendered from, as in Place.
	File string
	// YAML is the text.
	YAML []byte
	// Locate tells which line of which file of the application a rendered line
	// comes from, zero if it cannot tell; field is the path of the field that is
	// there. Nil tells nothing.
	Locate func(line int, field string) (file string, source int)
}
