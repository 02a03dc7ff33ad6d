package discovery

import (
	"fmt"
	"slices"
	"strings"
)

// collection gathers images, problems and notes of an application.
type collection struct {
	images   map[string]*Image
	problems Problems
	notes    []Note
}

func newCollection() *collection { return &collection{images: map[string]*Image{}} }

func (c *collection) note(file string, line int, format string, args ...any) {
	c.notes = append(c.notes, Note{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

func (c *collection) problem(file string, line int, hint, format string, args ...any) {
	c.problems = append(c.problems, Problemf(file, line, hint, format, args...))
}

// add counts a place that asks for an image.
func (c *collection) add(place Place) {
	ref, err := ParseReference(place.Text)
	if err != nil {
		hint := ""
		if templated(place.Text) {
			err = fmt.Errorf("the image %q is a template", place.Text)
			hint = templateHint
		}
		c.problem(place.File, lineOf(place), hint, "%s: %w", place.Field, err)
		return
	}
	complete := Name(ref)
	image := c.images[complete]
	if image == nil {
		image = &Image{Name: complete, Reference: ref}
		c.images[complete] = image
	}
	image.Places = append(image.Places, place)
}

// result sorts what was gathered.
func (c *collection) result() *Result {
	c.resolveLocal()
	result := &Result{Notes: sortNotes(c.notes)}
	for _, image := range c.images {
		slices.SortFunc(image.Places, comparePlaces)
		image.Places = withoutCopies(slices.Compact(image.Places))
		if onlySuspected(image.Places) {
			result.Suspects = append(result.Suspects, *image)
		} else {
			result.Images = append(result.Images, *image)
		}
	}
	byName := func(a, b Image) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(result.Images, byName)
	slices.SortFunc(result.Suspects, byName)
	return result
}

// withoutCopies leaves out what was found in a file that is a hook's as well:
// the hook's place says more.
func withoutCopies(places []Place) []Place {
	type spot struct {
		file, field string
		line        int
	}
	hooks := map[spot]bool{}
	for _, place := range places {
		if place.Origin == Hook {
			hooks[spot{place.File, place.Field, place.Line}] = true
		}
	}
	return slices.DeleteFunc(places, func(place Place) bool {
		return place.Origin == File && hooks[spot{place.File, place.Field, place.Line}]
	})
}
