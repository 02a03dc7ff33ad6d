// Package goldentest runs discovery on applications in txtar files and compares
// what it finds with what the files say.
//
// The comment of an archive says what it is about, and has options, one a line:
//
//	glob: PATTERN, ignore: REGEXP       options of the same name
//	hook: FILE:LINE ENTRY               a hook's job, which entry ENTRY has
//	kube: VERSION, api: GROUP/VERSION   what charts see
//	set: KEY=VALUE, values: ENTRY       values of charts
//	escaped: FILE                       contents with \t, \r, \x00 and so on
//	link: FILE TARGET                   a symbolic link
//	set-image: IMAGE                    SetImages first, for all such lines
//	packed: FILE PREFIX                 entries below PREFIX/ go into an archive
//
// Entries are the files of the application, but for those below "outside/",
// which are for options, and "want", which is what must be found.
package goldentest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

var update = flag.Bool("update", false, "write what was found into the archives")

// Case is an application with options.
type Case struct {
	Dir     string              // the application's folder
	Options map[string][]string // by name
	Outside map[string]string   // entries below outside/
}

// Renderers makes the renderers of a case; both may be nil.
type Renderers func(t *testing.T, c *Case) (charts, kustomizations discovery.Renderer)

// Run runs every archive of a folder as a subtest.
func Run(t *testing.T, dir string, renderers Renderers) {
	t.Helper()
	archives, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives in %s: %v", dir, err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { runOne(t, name, renderers) })
	}
}

func runOne(t *testing.T, name string, renderers Renderers) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	c := unpack(t, archive)
	got := discover(t, c, renderers)
	at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	if *update {
		if at < 0 {
			archive.Files = append(archive.Files, txtar.File{Name: "want"})
			at = len(archive.Files) - 1
		}
		archive.Files[at].Data = []byte(got)
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if at < 0 {
		t.Fatal("no entry want; run with -update")
	}
	if diff := cmp.Diff(string(archive.Files[at].Data), got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// unpack writes an archive's application into a folder.
func unpack(t *testing.T, archive *txtar.Archive) *Case {
	t.Helper()
	c := &Case{Dir: filepath.Join(t.TempDir(), "app"), Options: map[string][]string{}, Outside: map[string]string{}}
	for line := range strings.Lines(string(archive.Comment)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.Contains(key, " ") {
			c.Options[key] = append(c.Options[key], value)
		}
	}
	write(t, filepath.Join(c.Dir, "README"), "An application.\n")
	for _, file := range archive.Files {
		data := string(file.Data)
		if slices.Contains(c.Options["escaped"], file.Name) {
			data = unescape(t, data)
		}
		switch outside, ok := strings.CutPrefix(file.Name, "outside/"); {
		case ok:
			c.Outside[outside] = data
			write(t, filepath.Join(c.Dir, "..", "outside", outside), data)
		case file.Name != "want":
			write(t, filepath.Join(c.Dir, file.Name), data)
		}
	}
	for _, packed := range c.Options["packed"] {
		name, prefix, _ := strings.Cut(packed, " ")
		pack(t, filepath.Join(c.Dir, name), archive, prefix+"/")
		if err := os.RemoveAll(filepath.Join(c.Dir, prefix)); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range c.Options["link"] {
		name, target, _ := strings.Cut(link, " ")
		name = filepath.Join(c.Dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(target, name)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// pack makes a packaged chart of entries; their names go on without the prefix.
func pack(t *testing.T, name string, archive *txtar.Archive, prefix string) {
	t.Helper()
	var data bytes.Buffer
	compressed := gzip.NewWriter(&data)
	entries := tar.NewWriter(compressed)
	for _, file := range archive.Files {
		inside, ok := strings.CutPrefix(file.Name, prefix)
		if !ok {
			continue
		}
		header := &tar.Header{Name: inside, Size: int64(len(file.Data)), Mode: 0o644}
		if err := entries.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := entries.Write(file.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(entries.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	write(t, name, data.String())
}

func write(t *testing.T, name, data string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(data), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func unescape(t *testing.T, data string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(data) {
		line, ends := strings.CutSuffix(line, "\n")
		text, err := strconv.Unquote("\"" + strings.ReplaceAll(line, `"`, `\"`) + "\"")
		if err != nil {
			t.Fatalf("unescape %q: %v", line, err)
		}
		out.WriteString(text)
		if ends {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// discover runs discovery on a case and prints what it found.
func discover(t *testing.T, c *Case, renderers Renderers) string {
	t.Helper()
	root, application, err := discovery.Open(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	options := discovery.Options{Globs: c.Options["glob"], Ignore: c.Options["ignore"]}
	if renderers != nil {
		options.Charts, options.Kustomizations = renderers(t, c)
	}
	for _, hook := range c.Options["hook"] {
		place, entry, _ := strings.Cut(hook, " ")
		file, line, _ := strings.Cut(place, ":")
		number, err := strconv.Atoi(line)
		if err != nil {
			t.Fatalf("hook: %v", err)
		}
		job := c.Outside[strings.TrimPrefix(entry, "outside/")]
		options.Hooks = append(options.Hooks, discovery.HookJob{YAML: []byte(job), File: file, Line: number})
	}
	var out strings.Builder
	if images := c.Options["set-image"]; len(images) > 0 {
		changed, err := discovery.SetImages(t.Context(), application, images, options)
		report(&out, err)
		for _, file := range sorted(changed) {
			fmt.Fprintf(&out, "changed %s:\n%s", file, changed[file])
		}
		application = discovery.Overlay(application, changed)
	}
	result, err := discovery.Discover(t.Context(), application, options)
	if result == nil {
		report(&out, err)
		return out.String()
	}
	for _, image := range slices.Concat(result.Images, result.Suspects) {
		for _, place := range image.Places {
			fmt.Fprintf(&out, "%s  %s\n", image.Name, place)
		}
	}
	for _, note := range result.Notes {
		fmt.Fprintf(&out, "note: %s\n", note)
	}
	report(&out, err)
	return out.String()
}

// report prints problems, each with its hints.
func report(out *strings.Builder, err error) {
	var problems discovery.Problems
	switch {
	case err == nil:
	case errors.As(err, &problems):
		for _, problem := range problems {
			fmt.Fprintf(out, "problem: %v\n", problem)
			for _, hint := range cli.Hints(problem) {
				fmt.Fprintf(out, "  hint: %s\n", hint)
			}
		}
	default:
		fmt.Fprintf(out, "error: %v\n", err)
	}
}

func sorted(files map[string][]byte) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
