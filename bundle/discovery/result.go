package discovery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Result is what Discover found.
type Result struct {
	// Images are asked for by at least one place that is not a suspect; they
	// belong into the bundle. In the order of their names.
	Images []Image
	// Suspects are images that only suspects name. In the order of their names.
	Suspects []Image
	// Notes say what was left alone, in the order of files.
	Notes []Note
}

// Image is an image and all places that ask for it.
type Image struct {
	// Name is the complete reference: registry, repository, and digest or tag.
	// References without a registry are of docker.io.
	Name string
	// Reference is the same for those who pull.
	Reference name.Reference
	// Places ask for the image, in the order of files.
	Places []Place
}

// Reason says what kind of field names an image.
type Reason string

// The reasons why something counts as an image.
const (
	Workload       Reason = "workload"
	ImageSet       Reason = "ImageSet"
	CustomResource Reason = "custom resource"
	Suspect        Reason = "suspect"
)

// Origin says through what a field was found.
type Origin string

// The origins of fields.
const (
	File          Origin = "file"
	Hook          Origin = "hook"
	Chart         Origin = "chart"
	Kustomization Origin = "kustomization"
)

// Place is a field that names an image.
type Place struct {
	// File is relative to the application's folder, with slashes. Of a chart it
	// is the template; for a template inside an archived or renamed dependency,
	// where helm's own "# Source" would have it. Of a kustomization it is the
	// file that the object came from.
	File string
	// Line is where File says it; zero if rendering left no trace of it.
	Line int
	// Rendered is the line in what File was rendered to; zero for what was not
	// rendered.
	Rendered int
	// Field is the path of the field, such as spec.containers[0].image.
	Field string
	// Object is kind and name of the Kubernetes object.
	Object string
	// Reason and Origin say why it counts.
	Reason Reason
	Origin Origin
	// Text is the reference as it is written.
	Text string
}

// Why is the reason in a word: the origin for workloads of charts,
// kustomizations and hooks, else the reason, with the origin in front unless it
// is a plain file.
func (p Place) Why() string {
	switch {
	case p.Origin == File:
		return string(p.Reason)
	case p.Reason == Workload:
		return string(p.Origin)
	}
	return string(p.Origin) + ", " + string(p.Reason)
}

// Position is file and line. For what was rendered, both lines are named as far
// as they are known: "chart/templates/a.yaml:4 (rendered line 9)".
func (p Place) Position() string {
	position := p.File
	if p.Line > 0 {
		position = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Rendered > 0 {
		position += fmt.Sprintf(" (rendered line %d)", p.Rendered)
	}
	return position
}

// String is one line that tells where, which field and why.
func (p Place) String() string {
	return fmt.Sprintf("%s  %s  %s", p.Position(), p.Field, p.Why())
}

// Note is something that was left alone, and why.
type Note struct {
	File    string
	Line    int
	Message string
}

// String is file, line and message.
func (n Note) String() string { return position(n.File, n.Line) + ": " + n.Message }

func position(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

func comparePlaces(a, b Place) int {
	return cmp.Or(
		strings.Compare(a.File, b.File),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Rendered, b.Rendered),
		strings.Compare(a.Field, b.Field),
		strings.Compare(string(a.Reason), string(b.Reason)),
		strings.Compare(a.Object, b.Object),
		strings.Compare(string(a.Origin), string(b.Origin)),
		strings.Compare(a.Text, b.Text),
	)
}

func sortNotes(notes []Note) []Note {
	slices.SortFunc(notes, func(a, b Note) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(notes)
}
