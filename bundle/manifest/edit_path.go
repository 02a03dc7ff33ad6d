package manifest

import (
	"fmt"
	"regexp"
	"strconv"
)

// step is a part of a path: the name of a field or the number of an item.
type step struct {
	name string
	item int
	list bool
}

var stepPattern = regexp.MustCompile(`^(?:\.?([a-zA-Z0-9_-]+)|\[(\d{1,6})\]|\[("(?:[^"\\]|\\.)*")\])`)

func steps(path string) ([]step, error) {
	var all []step
	for rest := path; rest != ""; {
		found := stepPattern.FindStringSubmatch(rest)
		if found == nil || len(all) == 0 && rest[0] == '.' {
			return nil, fmt.Errorf("%q is not a path", path)
		}
		next := step{name: found[1]}
		switch {
		case found[2] != "":
			next.list = true
			next.item, _ = strconv.Atoi(found[2])
		case found[3] != "":
			name, err := strconv.Unquote(found[3])
			if err != nil {
				return nil, fmt.Errorf("%s in %q: %w", found[3], path, err)
			}
			next.name = name
		}
		all = append(all, next)
		rest = rest[len(found[0]):]
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%q is not a path", path)
	}
	return all, nil
}

func (s step) String() string {
	if s.list {
		return fmt.Sprintf("item %d", s.item)
	}
	return "field " + strconv.Quote(s.name)
}
