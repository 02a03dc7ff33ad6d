package discovery

import (
	"regexp"
)

// templateHint is what to do about a template whose values nobody here knows.
const templateHint = "fill the template in before the build, make it a chart, or --ignore the file and list its images in an ImageSet"

// templateMarks are what templates of Go, Jinja and envsubst have.
var templateMarks = regexp.MustCompile(`\{\{|\{%|\$\{[A-Za-z_]|<%`)

func templated(text string) bool { return templateMarks.MatchString(text) }
