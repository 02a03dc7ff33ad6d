package discovery

import (
	"slices"
	"strings"
)

// resolveLocal gives the places of references to the cluster's own registry to
// the images that will be found there: such a reference has lost the registry
// that the image came from, so the image is the one of the same path that
// something else names completely.
func (c *collection) resolveLocal() {
	byPath := map[string][]*Image{}
	var local []*Image
	for _, image := range c.images {
		switch {
		case slices.Contains(clusterRegistries, registryOf(image.Reference)):
			local = append(local, image)
		case !onlySuspected(image.Places):
			for _, path := range pathsOf(image) {
				byPath[path] = append(byPath[path], image)
			}
		}
	}
	for _, image := range local {
		delete(c.images, image.Name)
		_, path, _ := strings.Cut(image.Name, "/")
		switch candidates := byPath[path]; {
		case len(candidates) == 1:
			candidates[0].Places = append(candidates[0].Places, image.Places...)
		case onlySuspected(image.Places):
			for _, place := range image.Places {
				c.note(place.File, place.Line, "%q is not asked for by anything that names its registry", place.Text)
			}
		default:
			c.refuseLocal(image, candidates)
		}
	}
}

// refuseLocal reports the places of an image of the cluster's registry that is
// not exactly one of the candidates.
func (c *collection) refuseLocal(image *Image, candidates []*Image) {
	var names []string
	for _, candidate := range candidates {
		names = append(names, candidate.Name)
	}
	slices.Sort(names)
	for _, place := range image.Places {
		if place.Reason == Suspect {
			continue
		}
		if len(names) > 0 {
			c.problem(place.File, lineOf(place), "name the image with its registry here",
				"%q could be any of %s", place.Text, strings.Join(names, ", "))
			continue
		}
		c.problem(place.File, lineOf(place), "list the image with the registry to pull it from in an ImageSet",
			"nothing says which registry %q is pulled from", place.Text)
	}
}

// pathsOf are the paths by which the cluster's registry knew an image: without
// the registry, and Docker's own images also without library/.
func pathsOf(image *Image) []string {
	_, path, _ := strings.Cut(image.Name, "/")
	if short, ok := strings.CutPrefix(path, "library/"); ok && registryOf(image.Reference) == dockerHub {
		return []string{path, short}
	}
	return []string{path}
}

func onlySuspected(places []Place) bool {
	return !slices.ContainsFunc(places, func(p Place) bool { return p.Reason != Suspect })
}

// lineOf is the line to name in a problem: the rendered one, if there is no
// other.
func lineOf(p Place) int {
	if p.Line > 0 {
		return p.Line
	}
	return p.Rendered
}
