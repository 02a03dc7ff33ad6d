package discovery

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
)

// SetImages puts other tags or digests of images into an application's files:
// each reference whose repository is that of one of the images becomes that
// image, as it is written in images. It returns the new contents of the files
// that change, everything else in them byte for byte, and writes nothing; put
// them over the application's folder with Overlay. If the manifest is among
// them, its hooks must be read again.
//
// Images in workloads, ImageSets, custom resources and hooks are replaced. Those
// of charts and of the images field of kustomizations are set by values and
// there. An image that replaces nothing is an error, since the bundle would not
// have it.
func SetImages(ctx context.Context, application fs.FS, images []string, options Options) (map[string][]byte, error) {
	wanted, err := parseReplacements(images)
	if err != nil {
		return nil, err
	}
	filter, err := newFilter(options.Globs, options.Ignore)
	if err != nil {
		return nil, err
	}
	found := newCollection()
	edits := &edits{wanted: wanted, byFile: map[string][]edit{}}
	reader := &reader{collection: found, application: application, watch: edits.watch}
	tree, err := walk(ctx, application, filter, found)
	if err != nil {
		return nil, err
	}
	for _, file := range tree.files {
		reader.file(file)
	}
	for _, job := range options.Hooks {
		reader.hook(job)
	}
	found.problems = nil // Discover reports what cannot be read
	changed := map[string][]byte{}
	for file, edits := range edits.byFile {
		data, err := fs.ReadFile(application, file)
		if err != nil {
			return nil, fmt.Errorf("set images: %w", err)
		}
		edited, problems := apply(file, data, edits)
		found.problems = append(found.problems, problems...)
		if !bytes.Equal(edited, data) {
			changed[file] = edited
		}
	}
	for _, replacement := range wanted {
		if !replacement.used {
			found.problem("--set-image "+replacement.text, 0, "set images of charts by --set",
				"no file of the application has an image of %s", replacement.repository)
		}
	}
	return changed, found.problems.orNil()
}

// replacement is an image to set.
type replacement struct {
	repository, text string
	used             bool
}

func parseReplacements(images []string) ([]*replacement, error) {
	var wanted []*replacement
	for _, text := range images {
		ref, err := ParseReference(text)
		if err != nil {
			return nil, fmt.Errorf("--set-image: %w", err)
		}
		if !versioned(text) {
			return nil, fmt.Errorf("--set-image: %q has neither tag nor digest", text)
		}
		repository := repositoryName(ref)
		for _, earlier := range wanted {
			if earlier.repository == repository {
				return nil, fmt.Errorf("--set-image: %q and %q are of the same repository", earlier.text, text)
			}
		}
		wanted = append(wanted, &replacement{repository: repository, text: text})
	}
	return wanted, nil
}

// edit replaces a word of a file.
type edit struct {
	line, column int // counted from one; columns in letters
	old, new     string
}

type edits struct {
	wanted []*replacement
	byFile map[string][]edit
}

// watch collects what to edit from what the reader finds.
func (e *edits) watch(file string, offset int, found finding) {
	if found.reason == Suspect {
		return
	}
	ref, err := ParseReference(found.text)
	if err != nil {
		return // the reader reports it
	}
	for _, replacement := range e.wanted {
		if replacement.repository != repositoryName(ref) {
			continue
		}
		replacement.used = true
		edit := edit{line: found.node.Line + offset, column: found.node.Column, old: found.text, new: replacement.text}
		if found.pair {
			edit.old, edit.new = pairEdit(found, ref, replacement)
		}
		e.byFile[file] = append(e.byFile[file], edit)
	}
}

// pairEdit changes the tag of an image whose repository is another field. What
// cannot be changed so is left to fail with old as it is not in the file.
func pairEdit(found finding, old name.Reference, wanted *replacement) (string, string) {
	ref, err := ParseReference(wanted.text)
	if err != nil {
		return found.text, wanted.text
	}
	_, oldIsTag := old.(name.Tag)
	if _, isTag := ref.(name.Tag); !isTag || !oldIsTag || found.node.Value != old.Identifier() {
		return found.text, wanted.text
	}
	return found.node.Value, ref.Identifier()
}

// apply finds all words to replace, then replaces them.
func apply(file string, data []byte, edits []edit) ([]byte, Problems) {
	type place struct {
		at int
		edit
	}
	starts := lineStarts(data)
	var places []place
	var problems Problems
	for _, edit := range edits {
		at := edit.find(data, starts)
		if at < 0 {
			problems = append(problems, Problemf(file, edit.line, "edit the file",
				"%q cannot be replaced by %q: it is not written in one piece", edit.old, edit.new))
			continue
		}
		places = append(places, place{at, edit})
	}
	slices.SortFunc(places, func(a, b place) int { return a.at - b.at })
	var changed []byte
	done := 0
	for _, place := range places {
		if place.at < done {
			continue // two edits of one word, which an alias names
		}
		changed = append(append(changed, data[done:place.at]...), place.new...)
		done = place.at + len(place.old)
	}
	return append(changed, data[done:]...), problems
}

// find returns where the edit's word is, -1 if it is not on its line. The column
// is that of the word or of something before it: a quote, an anchor, a tag, or
// what the job of a hook is indented by.
func (e edit) find(data []byte, starts []int) int {
	if e.line < 1 || e.line >= len(starts) {
		return -1
	}
	at, end := starts[e.line-1], starts[e.line]
	for range e.column - 1 {
		if at >= end {
			break
		}
		_, size := utf8.DecodeRune(data[at:end])
		at += size
	}
	at += len(properties.Find(data[at:end]))
	for at < end {
		i := bytes.Index(data[at:end], []byte(e.old))
		if i < 0 {
			return -1
		}
		at += i
		after := at + len(e.old)
		if (at == 0 || !partOfReference(data[at-1])) && (after >= end || !partOfReference(data[after])) {
			return at
		}
		at++
	}
	return -1
}

// properties are an anchor and a tag in front of a value.
var properties = regexp.MustCompile(`^(?:[&!][^\s,\[\]{}]*\s+)*`)

// partOfReference says whether a reference could go on with a letter.
func partOfReference(letter byte) bool {
	return letter >= 'a' && letter <= 'z' || letter >= 'A' && letter <= 'Z' || letter >= '0' && letter <= '9' ||
		strings.IndexByte("._-/:@", letter) >= 0
}

// lineStarts are the offsets of the lines, and the end.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, letter := range data {
		if letter == '\n' {
			starts = append(starts, i+1)
		}
	}
	return append(starts, len(data))
}
