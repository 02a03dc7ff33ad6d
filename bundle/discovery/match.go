package discovery

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// filter decides which files are looked at.
type filter struct {
	globs  []*regexp.Regexp
	ignore []*regexp.Regexp
}

func newFilter(globs, ignore []string) (*filter, error) {
	f := &filter{}
	for _, pattern := range globs {
		compiled, err := compileGlob(pattern)
		if err != nil {
			return nil, fmt.Errorf("--glob %q: %w", pattern, err)
		}
		f.globs = append(f.globs, compiled)
	}
	for _, pattern := range ignore {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("--ignore %q: %w", pattern, err)
		}
		f.ignore = append(f.ignore, compiled)
	}
	return f, nil
}

// wanted says whether a file is looked at; without globs every file is.
func (f *filter) wanted(file string) bool {
	if len(f.globs) == 0 {
		return true
	}
	for _, glob := range f.globs {
		if glob.MatchString(file) {
			return true
		}
	}
	return false
}

// ignored says whether a file is left out. Folders are asked about with a slash
// at their end.
func (f *filter) ignored(file string) bool {
	for _, pattern := range f.ignore {
		if pattern.MatchString(file) {
			return true
		}
	}
	return false
}

// compileGlob makes a regular expression of a glob: * and ? stay within a
// folder, ** does not, [a-z] and {a,b} are as in a shell. A glob without a slash
// is about names in any folder.
func compileGlob(glob string) (*regexp.Regexp, error) {
	if _, err := path.Match(strings.ReplaceAll(glob, "**", "*"), ""); err != nil {
		return nil, err
	}
	if !strings.Contains(glob, "/") {
		glob = "**/" + glob
	}
	var pattern strings.Builder
	braces := 0
	for i := 0; i < len(glob); i++ {
		rest := glob[i:]
		switch {
		case strings.HasPrefix(rest, "**/"):
			pattern.WriteString(`(?:[^/]+/)*`)
			i += len("**/") - 1
		case strings.HasPrefix(rest, "**"):
			pattern.WriteString(`.*`)
			i++
		case rest[0] == '*':
			pattern.WriteString(`[^/]*`)
		case rest[0] == '?':
			pattern.WriteString(`[^/]`)
		case rest[0] == '[' && strings.Contains(rest, "]"):
			class := rest[:strings.Index(rest, "]")+1]
			pattern.WriteString(class)
			i += len(class) - 1
		case rest[0] == '{':
			pattern.WriteString(`(?:`)
			braces++
		case rest[0] == ',' && braces > 0:
			pattern.WriteString(`|`)
		case rest[0] == '}' && braces > 0:
			pattern.WriteString(`)`)
			braces--
		default:
			pattern.WriteString(regexp.QuoteMeta(rest[:1]))
		}
	}
	return regexp.Compile(`^` + pattern.String() + `$`)
}
