package manifest

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func encode(t *testing.T, m *Manifest) string {
	t.Helper()
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRoundTrip encodes every valid manifest: it says the same, and encoding it
// again gives the same bytes.
func TestRoundTrip(t *testing.T) {
	for name, text := range validExamples(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			first := mustParse(t, string(text))
			once := encode(t, first)
			second := mustParse(t, once)
			if diff := cmp.Diff(first, second, sameFields); diff != "" {
				t.Errorf("mismatch (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(once, encode(t, second)); diff != "" {
				t.Errorf("the second text differs (-first +second):\n%s", diff)
			}
			if bytes.Count(text, []byte(" #")) != strings.Count(once, " #") {
				t.Errorf("comments are missing in:\n%s", once)
			}
		})
	}
}

const commented = `# Our application.
apiVersion: bundle.gravitational.io/v2
kind: Bundle
metadata:
  name: a # short
  # Set by the pipeline.
  resourceVersion: 1.0.0
baseImage: "gravity"
endpoints:
  - name: web # the only one
  # more to come
`

func TestWith(t *testing.T) {
	m := mustParse(t, commented)
	edited, _, err := m.With(
		Edit{"metadata.resourceVersion", "1.0.1"},
		Edit{"metadata.createdTimestamp", "2026-01-02T15:04:05Z"},
		Edit{"metadata.labels[\"example.com/tier\"]", "true"},
		Edit{"baseImage", "gravity:1.37.2"},
		Edit{"endpoints[0].port", 8080},
		Edit{"endpoints[1].name", "second"},
		Edit{"endpoints[1].hidden", true},
		Edit{"installer.setupEndpoints", []string{"web"}},
		Edit{"releaseNotes", "First.\n\n  * Second\n"},
		Edit{"license.enabled", true},
		Edit{"license", nil},
		Edit{"logo", nil},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := `# Our application.
apiVersion: bundle.gravitational.io/v2
kind: Bundle
metadata:
  name: a # short
  # Set by the pipeline.
  resourceVersion: 1.0.1
  createdTimestamp: "2026-01-02T15:04:05Z"
  labels:
    example.com/tier: "true"
baseImage: gravity:1.37.2
endpoints:
  - name: web # the only one
    port: 8080
  - name: second
    hidden: true
# more to come

installer:
  setupEndpoints:
    - web
releaseNotes: |
  First.

    * Second
`
	if diff := cmp.Diff(want, encode(t, edited)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if edited.BaseImage.Version != "1.37.2" || edited.Endpoints[0].Port != 8080 {
		t.Errorf("fields %v %v", edited.BaseImage, edited.Endpoints)
	}
	if diff := cmp.Diff(encode(t, mustParse(t, commented)), encode(t, m)); diff != "" {
		t.Errorf("the first manifest changed (-before +after):\n%s", diff)
	}
}

// TestWithShared edits fields of values that other places share.
func TestWithShared(t *testing.T) {
	m := mustParse(t, header+`
nodeProfiles:
  - &first
    name: first
    requirements: &needs {cpu: {min: 2}, ram: {min: 2GB}}
  - <<: *first
    name: second
  - name: third
    requirements: *needs
installer: {flavors: {items: [{name: a, nodes: [{profile: first, count: 1}]}]}}
`)
	edited, _, err := m.With(
		Edit{"nodeProfiles[1].requirements.cpu.min", 3},
		Edit{"nodeProfiles[2].requirements.cpu.min", 4},
		Edit{"nodeProfiles[0].requirements.ram.min", "5GB"},
	)
	if err != nil {
		t.Fatal(err)
	}
	var got []Requirements
	for _, profile := range mustParse(t, encode(t, edited)).NodeProfiles {
		got = append(got, profile.Requirements)
	}
	want := []Requirements{
		{CPU: CPU{Min: 2}, RAM: RAM{Min: 5e9}},
		{CPU: CPU{Min: 3}, RAM: RAM{Min: 2e9}},
		{CPU: CPU{Min: 4}, RAM: RAM{Min: 2e9}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestWithRefuses(t *testing.T) {
	m := mustParse(t, commented)
	for _, test := range []struct {
		edit Edit
		want string
	}{
		{Edit{"", "a"}, `set  of app.yaml: "" is not a path`},
		{Edit{".kind", "a"}, `".kind" is not a path`},
		{Edit{"metadata..name", "a"}, `"metadata..name" is not a path`},
		{Edit{`metadata["a]`, "a"}, `is not a path`},
		{Edit{"kind.name", "a"}, `"Bundle" has no field "name"`},
		{Edit{"metadata[0]", "a"}, "a mapping has no item 0"},
		{Edit{"endpoints[2].name", "a"}, "there is no item 2: the list has 1"},
		{Edit{"endpoints[2]", nil}, "a list has no item 2"},
		{Edit{"endpoints.name", "a"}, `a list has no field "name"`},
		{Edit{"baseImage", make(chan int)}, "a value cannot be of type chan int"},
		{Edit{"baseImage", "\xff"}, "the text is not UTF-8"},
		{Edit{"metadata.labels", map[string]string{"\xff": "a"}}, "the text is not UTF-8"},
		{Edit{"baseImage", "ubuntu"}, "line 8, column 12: baseImage: unsupported base image"},
		{Edit{"metadata.color", "red"}, `metadata.color: unknown field "color"`},
		{Edit{"metadata.name", nil}, "line 4, column 1: metadata.name: is missing"},
	} {
		_, _, err := m.With(test.edit)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one about %q", test.edit.Path, err, test.want)
		}
	}
	var refused *Errors
	if _, _, err := m.With(Edit{"baseImage", "ubuntu"}); !errors.As(err, &refused) {
		t.Errorf("error %T, want *Errors", err)
	}
}

// TestTextsSurvive sets texts that YAML could change.
func TestTextsSurvive(t *testing.T) {
	for _, text := range []string{
		"", " ", "\n", "a\n", "a\n\n", "\na", " a\nb", "a\n b\n", "a \nb", "a\r\nb", "a\tb\n", "\ta\n", "null", "~", "1.0", "true", "- a",
		"a: b", "# a", "a\n# b\n", "'", `"`, "@a", "*a", "&a", "!a", "%a", "a\u0085b\n", "a\u2028b\n", "\u00a0\n", "é\n世\n", "\x01", "\x7f\n",
		"\ufeffa\n", "---\na\n", "a\n---\nb", "...\n", strings.Repeat("word ", 1000), strings.Repeat("x", 5000) + "\ny\n", "a\n\n\n b\n\n", "\U0001f600\n",
	} {
		edited, _, err := mustParse(t, commented).With(Edit{"releaseNotes", text}, Edit{"endpoints[0].description", text})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		again := mustParse(t, encode(t, edited))
		if got := string(again.ReleaseNotes); got != text {
			t.Errorf("%q became %q", text, got)
		}
		if got := again.Endpoints[0].Description; got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestEncodeRefusesLarge(t *testing.T) {
	edited, _, err := mustParse(t, commented).With(Edit{"releaseNotes", strings.Repeat("a", MaxSize)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := edited.Encode(); err == nil || !strings.Contains(err.Error(), "more than 4 MiB") {
		t.Errorf("error %v", err)
	}
}
