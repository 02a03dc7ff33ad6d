package manifest

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest/internal/rule"
)

// fewNames is how many names a message lists.
const fewNames = 12

// unknown reports a field that its place does not have.
func (d *decoder) unknown(entry place, structure reflect.Type, path string) {
	name := entry.key.Value
	var names []string
	for _, field := range rule.Fields(structure) {
		names = append(names, field.Name)
	}
	at := Problem{
		Line: entry.key.Line, Column: entry.key.Column, Path: child(path, name),
		Message: "unknown field " + quote(name),
	}
	home := ""
	if path == "" || len(names) > 1 {
		home = homeOf(name, structure)
	}
	switch best := Closest(name, names); {
	case best != "":
		at.Hint = "did you mean " + strconv.Quote(best) + "?"
	case home != "":
		at.Hint = "write it as " + strings.TrimPrefix(path+"."+home, ".")
	case len(names) <= fewNames:
		at.Hint = "fields here are " + strings.Join(names, ", ")
	default:
		at.Hint = "remove it; docs/manifest.schema.json has all fields"
	}
	d.fail(at)
}

// unknownName reports a key of a mapping that has only certain keys.
func (d *decoder) unknownName(entry place, path string, names []string) {
	hint := "known are " + strings.Join(names, ", ")
	if best := Closest(entry.key.Value, names); best != "" {
		hint = "did you mean " + strconv.Quote(best) + "?"
	}
	d.fail(Problem{
		Line: entry.key.Line, Column: entry.key.Column, Path: path,
		Message: "unknown field " + quote(entry.key.Value), Hint: hint,
	})
}

// otherNames are what fields are called elsewhere.
var otherNames = map[string]string{"version": "resourceVersion", "profiles": "nodeProfiles", "base": "baseImage"}

// homeOf is the path, below a type, of the field of a name that was written
// above its place: the nearest one, and of equally near ones the first.
func homeOf(name string, structure reflect.Type) string {
	if other := otherNames[name]; other != "" {
		if home := homeOf(other, structure); home != "" {
			return home
		}
	}
	type level struct {
		structure reflect.Type
		path      string
	}
	queue := []level{{structure, ""}}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if strings.Count(at.path, ".") >= 4 {
			return ""
		}
		for _, field := range rule.Fields(at.structure) {
			path := at.path + field.Name
			if field.Name == name {
				return path
			}
			below, list := field.Type, ""
			for below.Kind() == reflect.Pointer || below.Kind() == reflect.Slice {
				if below.Kind() == reflect.Slice {
					list = "[]"
				}
				below = below.Elem()
			}
			if below.Kind() == reflect.Struct && !isFormatted(below) {
				queue = append(queue, level{below, path + list + "."})
			}
		}
	}
	return ""
}

func isFormatted(t reflect.Type) bool { return t.Implements(reflect.TypeFor[rule.Formatted]()) }

// Closest is the name that was probably meant, or nothing.
func Closest(name string, names []string) string {
	const tooLong = 64
	if len(name) > tooLong {
		return ""
	}
	best, least := "", 1+max(1, len(name)/3)
	for _, candidate := range names {
		if strings.EqualFold(name, candidate) {
			return candidate
		}
		if distance := editDistance(strings.ToLower(name), strings.ToLower(candidate)); distance < least {
			best, least = candidate, distance
		}
	}
	return best
}

// editDistance is how many letters must be inserted, removed, replaced or
// swapped with their neighbour to make one word of another.
func editDistance(a, b string) int {
	beforeLast, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current := make([]int, len(b)+1)
		current[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			current[j] = min(replaced, last[j]+1, current[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last = last, current
	}
	return last[len(b)]
}
