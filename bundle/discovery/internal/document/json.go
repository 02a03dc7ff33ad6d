package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// ParseJSON returns the root node of each value of a stream of JSON values. YAML
// contains JSON only nearly: a YAML parser refuses surrogate pairs. The error is
// of type *Error.
func ParseJSON(data []byte) ([]*yaml.Node, error) {
	if len(data) > MaxSize {
		return nil, errorf(1, "has %d bytes, at most %d are read", len(data), MaxSize)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // YAML parsers skip it by themselves
	reader := &jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1, column: 1}
	reader.decoder.UseNumber()
	var roots []*yaml.Node
	for {
		root, err := reader.value(0)
		switch {
		case errors.Is(err, io.EOF):
			return roots, nil
		case err != nil:
			return nil, reader.explain(err)
		}
		if err := guard(root); err != nil {
			return nil, err
		}
		if root.Tag != "!!null" {
			roots = append(roots, root)
		}
	}
}

// jsonReader makes nodes of tokens. It follows the tokens' places as it goes, so
// that a long line costs no more than a short one.
type jsonReader struct {
	data         []byte
	decoder      *json.Decoder
	at           int // the byte that line and column are of
	line, column int
}

// value reads the next value; io.EOF says that there is none.
func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	token, err := r.decoder.Token()
	if err != nil {
		if errors.Is(err, io.EOF) && depth > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if depth > maxDepth {
		return nil, errorf(r.line, "nested more than %d levels deep", maxDepth)
	}
	r.advance(r.start(token))
	node := &yaml.Node{Line: r.line, Column: r.column}
	switch token := token.(type) {
	case json.Delim:
		node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
		if token == '{' {
			node.Kind, node.Tag = yaml.MappingNode, "!!map"
		}
		return node, r.children(node, depth)
	case string:
		node.Kind, node.Tag, node.Value, node.Style = yaml.ScalarNode, "!!str", token, yaml.DoubleQuotedStyle
	case json.Number:
		node.Kind, node.Tag, node.Value = yaml.ScalarNode, "!!float", token.String()
	case bool:
		node.Kind, node.Tag, node.Value = yaml.ScalarNode, "!!bool", "false"
		if token {
			node.Value = "true"
		}
	default:
		node.Kind, node.Tag, node.Value = yaml.ScalarNode, "!!null", "null"
	}
	return node, nil
}

// children reads the keys and values, or the items, of a node and its end.
func (r *jsonReader) children(node *yaml.Node, depth int) error {
	for r.decoder.More() {
		child, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		node.Content = append(node.Content, child)
	}
	_, err := r.decoder.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// start is the offset at which the token begins that was just read.
func (r *jsonReader) start(token json.Token) int {
	end := int(r.decoder.InputOffset())
	if _, ok := token.(string); !ok {
		return max(end-1, 0)
	}
	for i := end - 2; i >= r.at; i-- {
		if r.data[i] != '"' {
			continue
		}
		slashes := 0
		for i-slashes-1 >= r.at && r.data[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
	return r.at
}

// advance moves line and column to an offset further on.
func (r *jsonReader) advance(offset int) {
	for r.at < min(offset, len(r.data)) {
		letter, size := utf8.DecodeRune(r.data[r.at:])
		r.at += size
		r.column++
		if letter == '\n' {
			r.line++
			r.column = 1
		}
	}
}

// explain gives an error of the decoder the line at which it was met.
func (r *jsonReader) explain(err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	offset := r.decoder.InputOffset()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = max(offset, syntax.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		offset = int64(len(r.data))
	}
	r.advance(int(offset))
	return errorf(r.line, "%v", err)
}
