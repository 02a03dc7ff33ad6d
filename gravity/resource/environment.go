package resource

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// readEnvironment reads a RuntimeEnvironment (S97): spec.data maps names of
// variables to text.
func readEnvironment(document *yaml.Node, notes *notes) map[string]string {
	environment := make(map[string]string)
	data, ok := notes.known(spec(document), "spec", "data")["data"]
	if !ok {
		return environment
	}
	for _, entry := range notes.fieldsOf(data.value, "spec.data") {
		name := entry.key.Value
		if !variablePattern.MatchString(name) {
			notes.failf(entry.key, "spec.data: %.64q is no name of an environment variable", name)
			continue
		}
		value, ok := notes.text(entry, "spec.data."+name)
		if !ok {
			continue
		}
		if !utf8.ValidString(value) || strings.ContainsFunc(value, forbidden) {
			notes.failf(entry.value, "spec.data.%s has control characters", name)
			continue
		}
		if node.IsProxy(name) && value != "" && !strings.Contains(value, "://") {
			notes.warnf(entry.key, "spec.data.%s has no scheme; programs take it for http://", name)
		}
		environment[name] = value
	}
	return environment
}

func forbidden(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }
