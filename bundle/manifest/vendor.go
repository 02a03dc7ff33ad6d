package manifest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Fetcher gets what the references of a manifest lead to. Vendor calls it for
// one reference after another, once for each, reads at most MaxValueSize bytes
// of what it returns, and closes it. Errors must not contain credentials.
type Fetcher interface {
	// File opens a file of the application's folder. The name is relative to
	// the folder, separated by slashes, and has no "..": whether links lead out
	// of the folder is for the fetcher to check.
	File(ctx context.Context, name string) (io.ReadCloser, error)
	// URL gets what is at an address (http or https). Any answer that is not
	// the content is an error.
	URL(ctx context.Context, address *url.URL) (io.ReadCloser, error)
}

// References are the values of the manifest that Vendor would replace, by the
// path of their field.
func (m *Manifest) References() map[string]Source {
	all := make(map[string]Source, len(m.sources))
	for _, reference := range m.sources {
		all[reference.path] = reference.source
	}
	return all
}

// Vendor returns the manifest with what its references lead to in their place
// (S08): release notes, logo (as a data URI), licence agreement, description of
// flavors, scripts of custom checks, web configuration and jobs of hooks. What
// comes in is checked like what is written in the manifest; it may not be
// another reference.
//
// References that cannot be followed give *Errors with the field of each; the
// context's error is returned as it is.
func (m *Manifest) Vendor(ctx context.Context, fetcher Fetcher) (*Manifest, Warnings, error) {
	found := report{file: m.file}
	origins := map[string]string{}
	contents := map[reference]string{} // by source and kind: the same is fetched once
	var edits []Edit
	for _, reference := range m.sources {
		key := reference
		key.path, key.node = "", nil
		content, known := contents[key]
		if !known {
			var err error
			if content, err = fetch(ctx, fetcher, reference); err != nil {
				if ctx.Err() != nil {
					return nil, nil, fmt.Errorf("vendor %s: %w", m.file, context.Cause(ctx))
				}
				found.fail(m.cannotFetch(reference, err))
				continue
			}
			contents[key] = content
		}
		edits = append(edits, Edit{Path: reference.path, Value: content})
		origins[reference.path] = printable(reference.source)
	}
	if warnings, err := found.result(); err != nil {
		return nil, warnings, err
	}
	return m.with(edits, origins)
}

func (m *Manifest) cannotFetch(reference reference, err error) Problem {
	line, column := m.Position(reference.path)
	hint := "write the path of a file in the manifest's folder"
	if !strings.HasPrefix(string(reference.source), schemeFile) {
		hint = "check the address, or put the content into a file and write file://PATH"
	}
	message := fmt.Sprintf("%s: %v", printable(reference.source), err)
	if bad, ok := errors.AsType[*badValue](err); ok {
		message, hint = printable(reference.source)+" "+bad.message, bad.hint
	}
	return Problem{Line: line, Column: column, Path: reference.path, Message: message, Hint: hint}
}

// printable is a reference without the password that an address may have.
func printable(source Source) string {
	text := string(source)
	if address, err := url.Parse(text); err == nil && address.User != nil {
		text = address.Redacted()
	}
	return strings.Trim(quote(text), `"`)
}

// fetch returns what a reference leads to, as it will be in the manifest.
func fetch(ctx context.Context, fetcher Fetcher, reference reference) (string, error) {
	stream, err := open(ctx, fetcher, reference.source)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	content, err := io.ReadAll(io.LimitReader(stream, MaxValueSize+1))
	if err != nil {
		return "", err
	}
	if len(content) > MaxValueSize {
		return "", &badValue{fmt.Sprintf("is larger than %d MiB", MaxValueSize>>20), "make it smaller"}
	}
	if reference.kind == "image" {
		return dataURI(content)
	}
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return "", &badValue{"is not text in UTF-8", "write the path of a text file"}
	}
	text := strings.TrimPrefix(string(content), "\ufeff")
	if Source(text).IsReference() {
		return "", &badValue{"contains nothing but another reference", "write that one in its place"}
	}
	return text, nil
}

func open(ctx context.Context, fetcher Fetcher, source Source) (io.ReadCloser, error) {
	if strings.HasPrefix(string(source), schemeFile) {
		name, local := source.FileName()
		if !local {
			return nil, &badValue{
				"leads out of the manifest's folder",
				"put the file into the folder and write its path from there, such as file://notes.txt",
			}
		}
		return fetcher.File(ctx, name)
	}
	address, err := url.Parse(string(source))
	if err != nil || address.Host == "" {
		return nil, &badValue{"is not an address", "write https://HOST/PATH"}
	}
	return fetcher.URL(ctx, address)
}

// FileName is the file that a source refers to, relative to the manifest's
// folder and with slashes; false if it refers to none in there.
func (s Source) FileName() (name string, ok bool) {
	name, isFile := strings.CutPrefix(string(s), schemeFile)
	clean := path.Clean(name)
	if !isFile || name == "" || !filepath.IsLocal(filepath.FromSlash(clean)) {
		return "", false
	}
	return clean, true
}

// dataURI is an image as an address that contains it.
func dataURI(content []byte) (string, error) {
	kind := http.DetectContentType(content)
	if head := content[:min(len(content), 1024)]; bytes.Contains(head, []byte("<svg")) && utf8.Valid(content) {
		kind = "image/svg+xml"
	}
	kind, _, _ = strings.Cut(kind, ";")
	if !strings.HasPrefix(kind, "image/") {
		return "", &badValue{"is not an image but " + kind, "write the path of a PNG, JPEG, GIF, WebP or SVG image"}
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content), nil
}
