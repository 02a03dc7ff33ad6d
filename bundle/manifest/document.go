package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// read returns everything there is to read, unless it is too large; then it
// stops.
func read(r io.Reader) ([]byte, *Problem, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > MaxSize {
		return nil, &Problem{
			Message: fmt.Sprintf("is larger than %d MiB", MaxSize>>20),
			Hint:    "is it a manifest? Long texts can be files of their own: write file://PATH instead",
		}, nil
	}
	return text, nil, nil
}

// loadYAML parses the only document of a text and checks what it costs to walk
// it. A document without content is an error.
func loadYAML(text []byte) (*yaml.Node, *Problem) {
	if problem := checkIndicators(text); problem != nil {
		return nil, problem
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, next yaml.Node
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, syntaxProblem(text, err)
	}
	if len(document.Content) == 0 || isNull(document.Content[0]) {
		return nil, &Problem{Message: "has no content", Hint: "a manifest begins with apiVersion, kind and metadata"}
	}
	if err := decoder.Decode(&next); err != nil && !errors.Is(err, io.EOF) {
		return nil, syntaxProblem(text, err)
	}
	root := document.Content[0]
	if len(next.Content) > 0 && !isNull(next.Content[0]) {
		return nil, &Problem{
			Line: next.Content[0].Line, Column: next.Content[0].Column,
			Message: "a second document begins",
			Hint:    "one file is one manifest: put other resources into files of their own beside it",
		}
	}
	if problem := new(guard).check(root); problem != nil {
		return nil, problem
	}
	return root, nil
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

// checkIndicators refuses a text that would make the parser build a large
// tree. Every node of a tree begins with one of these characters, or follows
// one.
func checkIndicators(text []byte) *Problem {
	count, line := 0, 1
	for _, c := range text {
		switch c {
		case '\n':
			line++
			count++
		case ',', ':', '-', '[', '{', '?':
			count++
		}
		if count > maxIndicators {
			return &Problem{Line: line, Message: "has too many lines, lists or fields", Hint: "is it a manifest?"}
		}
	}
	return nil
}

var (
	yamlLine      = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxProblem says what the parser's error says, and what usually is the
// reason.
func syntaxProblem(text []byte, err error) *Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	hint := syntaxHint(message)
	line := 1 // the parser says no line if it is the first
	if found := yamlLine.FindStringSubmatch(message); found != nil {
		line, _ = strconv.Atoi(found[1])
		message = message[len(found[0]):]
		if strings.HasPrefix(message, "did not find") {
			line++ // these count lines from zero
		}
	} else if at := offender(text, message); at > 0 {
		line += bytes.Count(text[:at], []byte("\n"))
	}
	return &Problem{Line: line, Message: "is not YAML: " + message, Hint: hint}
}

// offender is the place of what the parser does not tell the line of, or zero.
func offender(text []byte, message string) int {
	if found := unknownAnchor.FindStringSubmatch(message); found != nil {
		return bytes.Index(text, []byte("*"+found[1]))
	}
	switch {
	case strings.Contains(message, "control characters"):
		return bytes.IndexFunc(text, func(c rune) bool { return c != '\n' && c != '\r' && c != '\t' && unicode.IsControl(c) })
	case strings.Contains(message, "UTF-8"):
		for at := 0; at < len(text); {
			c, size := utf8.DecodeRune(text[at:])
			if c == utf8.RuneError && size == 1 {
				return at
			}
			at += size
		}
	}
	return 0
}

func syntaxHint(message string) string {
	for _, known := range []struct{ part, hint string }{
		{"cannot start any token", "indent with spaces, not tabs; put a text that begins with @, ` or % in quotes"},
		{"mapping values are not allowed", "look at the indentation; put a text that contains a colon and a space in quotes"},
		{"did not find expected key", "look at the indentation, from this line on"},
		{"did not find expected '-' indicator", "look at the indentation of the list that begins here"},
		{"could not find expected ':'", "a field is written as NAME: VALUE"},
		{"unknown anchor", "a text that begins with * is put in quotes"},
		{"unexpected end of stream", "a quote is missing"},
		{"control characters", "the file is not text"},
		{"invalid leading UTF-8", "save the file as UTF-8"},
		{"invalid trailing UTF-8", "save the file as UTF-8"},
	} {
		if strings.Contains(message, known.part) {
			return known.hint
		}
	}
	return ""
}

// guard measures a tree without walking an alias twice: a few lines of YAML
// can stand for billions of nodes, or for themselves.
type guard struct {
	measured map[*yaml.Node]measure
	open     map[*yaml.Node]bool // nodes that the walk is inside of
}

// measure is what it would cost to walk a node with its aliases.
type measure struct{ nodes, depth int }

func (g *guard) check(root *yaml.Node) *Problem {
	g.measured = map[*yaml.Node]measure{}
	g.open = map[*yaml.Node]bool{}
	_, problem := g.measure(root, 1)
	return problem
}

func (g *guard) measure(node *yaml.Node, level int) (measure, *Problem) {
	if known, ok := g.measured[node]; ok {
		return known, nil
	}
	at := func(message, hint string) *Problem {
		return &Problem{Line: node.Line, Column: node.Column, Message: message, Hint: hint}
	}
	if level > MaxDepth {
		return measure{}, at(fmt.Sprintf("is nested deeper than %d levels", MaxDepth), "is it a manifest?")
	}
	children := node.Content
	if node.Kind == yaml.AliasNode {
		if g.open[node.Alias] {
			return measure{}, at("the alias *"+node.Value+" contains itself", "write the value out")
		}
		children = []*yaml.Node{node.Alias}
	}
	g.open[node] = true
	total := measure{nodes: 1, depth: 1}
	for _, child := range children {
		m, problem := g.measure(child, level+1)
		if problem != nil {
			return measure{}, problem
		}
		total.nodes += m.nodes
		total.depth = max(total.depth, m.depth+1)
		if total.nodes > MaxNodes {
			return measure{}, at(fmt.Sprintf("stands for more than %d values", MaxNodes),
				"aliases count as often as they are used: use fewer")
		}
	}
	if level+total.depth-1 > MaxDepth {
		return measure{}, at(fmt.Sprintf("is nested deeper than %d levels, with its aliases", MaxDepth), "use fewer aliases")
	}
	delete(g.open, node)
	g.measured[node] = total
	return total, nil
}
