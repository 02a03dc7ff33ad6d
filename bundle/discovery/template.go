package discovery

import (
	"regexp"
	"strings"
)

// templateHint is what to do about a template whose values nobody here knows.
const templateHint = "fill the template in before the build, make it a chart, or --ignore the file and list its images in an ImageSet"

// variable is what envsubst fills in.
var variable = regexp.MustCompile(`\$\{[A-Za-z_]`)

// templateMark is where a text has the first mark of a template of Go, Jinja, ERB
// or envsubst; -1 if it has none.
func templateMark(text string) int {
	first := -1
	for _, mark := range []string{"{{", "{%", "<%", "${"} {
		at := strings.Index(text, mark)
		if mark == "${" && at >= 0 {
			if match := variable.FindStringIndex(text); match != nil {
				at = match[0]
			} else {
				at = -1
			}
		}
		if at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first
}

func templated(text string) bool { return templateMark(text) >= 0 }
