package chart

import (
	"regexp"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// schemaReference is where a schema of values refers to another one.
var schemaReference = regexp.MustCompile(`"\$(?:schema|ref|dynamicRef|recursiveRef)"\s*:\s*"([^"#][^"]*)"`)

// foreignSchema is the first schema outside of the chart that the schema of its
// values refers to; empty if there is none. Helm would read it from the disk or
// fetch it, here and, in vain, at the site.
func foreignSchema(loaded *chart.Chart) string {
	for _, match := range schemaReference.FindAllSubmatch(loaded.Schema, -1) {
		url := string(match[1])
		// The library has the standard's own schemas.
		_, address, _ := strings.Cut(url, "://")
		if !strings.HasPrefix(address, "json-schema.org/") {
			return url
		}
	}
	for _, dependency := range loaded.Dependencies() {
		if url := foreignSchema(dependency); url != "" {
			return url
		}
	}
	return ""
}
