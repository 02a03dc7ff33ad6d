package discovery

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

// program looks for suspects in what a container's program is given: command,
// arguments and environment. Operators are told so what to start.
func (o *objects) program(container *yaml.Node, field string) {
	for _, key := range []string{"command", "args"} {
		before := ""
		for i, item := range document.Items(document.Get(container, key)) {
			text, _ := document.Text(item)
			o.suspects(before, item, text, document.Index(document.Join(field, key), i))
			before = text
		}
	}
	for i, variable := range document.Items(document.Get(container, "env")) {
		name, _ := document.Text(document.Get(variable, "name"))
		value := document.Get(variable, "value")
		text, _ := document.Text(value)
		o.suspects(name, value, text, document.Join(document.Index(document.Join(field, "env"), i), "value"))
	}
}

// annotations looks for suspects in annotations, which injectors of sidecars
// read. Those that tools leave behind repeat what is elsewhere.
func (o *objects) annotations(annotations *yaml.Node, field string) {
	for key, value := range document.Fields(annotations) {
		if key == "kubectl.kubernetes.io/last-applied-configuration" || strings.Contains(key, "config.kubernetes.io/") {
			continue
		}
		text, _ := document.Text(value)
		o.suspects(key, value, text, document.Join(field, key))
	}
}

// configMap looks for suspects in the data of a config map, which operators
// read.
func (o *objects) configMap(data *yaml.Node, field string) {
	for key, value := range document.Fields(data) {
		text, _ := document.Text(value)
		o.suspects(key, value, text, document.Join(field, key))
	}
}

// word is a part of a text that could be a reference.
var word = regexp.MustCompile(`[^\s"'` + "`" + `=,;()\[\]{}<>|&]+`)

// suspects looks for references in a text. What is before a word, or before the
// text, may say that it is one.
func (o *objects) suspects(before string, node *yaml.Node, text, field string) {
	for _, at := range word.FindAllStringIndex(text, -1) {
		token := text[at[0]:at[1]]
		if suspicious(token, before) {
			here := *node
			if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
				here.Line += 1 + strings.Count(text[:at[0]], "\n")
			}
			o.add(Suspect, field, &here, token)
		}
		before = token
	}
}

var onlyDigits = regexp.MustCompile(`^[0-9]+$`)

// suspicious says whether a word looks like a reference to an image. Much else
// has slashes and colons; before, the word before it, tips the balance if it
// speaks of an image.
func suspicious(token, before string) bool {
	ref, err := ParseReference(token)
	if err != nil || strings.Contains(token, "//") {
		return false
	}
	before = strings.ToLower(strings.TrimRight(before, ":="))
	hinted := strings.Contains(before, "image")
	switch {
	case strings.Contains(token, "@sha256:"):
		return true
	case versioned(token):
		// Without a registry, digits may be a port.
		port := onlyDigits.MatchString(ref.Identifier())
		return hinted || hasRegistry(token) || strings.Contains(token, "/") && !port
	case hasRegistry(token):
		return hinted
	}
	return strings.HasSuffix(before, "image") && token != "true" && token != "false"
}
