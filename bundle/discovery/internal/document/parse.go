package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxSize is how long a stream of documents may be. The largest files that
// people write for Kubernetes, bundles of definitions of custom resources, have
// a few MiB.
const MaxSize = 16 << 20

// Error is what is wrong with a document, and where.
type Error struct {
	Line    int
	Message string
}

// Error returns the line and the message.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

func errorf(line int, format string, args ...any) *Error {
	return &Error{Line: max(line, 1), Message: fmt.Sprintf(format, args...)}
}

// ParseYAML returns the root node of each document of a stream; a document
// without content has none. The error is of type *Error.
func ParseYAML(data []byte) (roots []*yaml.Node, err error) {
	if len(data) > MaxSize {
		return nil, errorf(1, "has %d bytes, at most %d are read", len(data), MaxSize)
	}
	// The parser is fuzzed by its authors and by us. Should it panic
	// nevertheless, one file is unreadable, and the program goes on.
	defer func() {
		if cause := recover(); cause != nil {
			roots, err = nil, errorf(1, "cannot be parsed: %v", cause)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF):
			return roots, nil
		case err != nil:
			return nil, explain(err, data)
		}
		root, err := rootOf(&node)
		if err != nil {
			return nil, err
		}
		if root != nil {
			roots = append(roots, root)
		}
	}
}

// rootOf returns the content of a document that is safe to walk; nil if there
// is none.
func rootOf(node *yaml.Node) (*yaml.Node, error) {
	if node.Kind == yaml.DocumentNode {
		if len(node.Content) == 0 {
			return nil, nil
		}
		node = node.Content[0]
	}
	if node.Kind == 0 || node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		return nil, nil
	}
	if err := guard(node); err != nil {
		return nil, err
	}
	return node, nil
}

var (
	parserMessage = regexp.MustCompile(`^yaml: (?:line (\d+): )?((?s).*)$`)
	indentedByTab = regexp.MustCompile(`^[ ]*\t[ \t]*[^\s#]`)
)

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

// lineWithout finds the line of an error to which the parser gives none.
func lineWithout(message string, data []byte) int {
	at := -1
	if match := unknownAnchor.FindStringSubmatch(message); match != nil {
		at = bytes.Index(data, []byte("*"+match[1]))
	}
	if strings.HasPrefix(message, "control characters") {
		at = bytes.IndexFunc(data, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7F })
	}
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(data[:at], []byte("\n"))
}

// explain turns an error of the parser into one with a line. The parser has no
// words for tabs, the commonest mistake, and leaves the first line out.
func explain(err error, data []byte) *Error {
	line, message := 1, err.Error()
	if match := parserMessage.FindStringSubmatch(message); match != nil {
		line, _ = strconv.Atoi(match[1])
		message = match[2]
		// Where the parser (not the scanner below it) stumbles, it counts from
		// zero.
		if match[1] != "" && strings.HasPrefix(message, "did not find expected") {
			line++
		}
	}
	line = max(line, lineWithout(message, data), 1)
	lines := bytes.Split(data, []byte("\n"))
	// The parser's line may be the one before or the one after.
	for i := max(line-2, 0); i < min(line+1, len(lines)); i++ {
		if indentedByTab.Match(lines[i]) {
			return errorf(i+1, "a tab indents this line; YAML indents with spaces")
		}
	}
	if len(lines) > 1 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return errorf(min(line, len(lines)), "%s", message)
}
