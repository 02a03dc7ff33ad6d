package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseExpanded(t *testing.T) {
	values := map[string]string{"VERSION": "1.2.3", "COUNT": "3", "NAME": "web: # [", "LABEL": "true", "KEY": "tier"}
	lookup := func(name string) (string, bool) {
		value, found := values[name]
		return value, found
	}
	const text = `# built with ${UNKNOWN}
apiVersion: bundle.gravitational.io/v2
kind: Bundle
metadata:
  name: app
  resourceVersion: ${VERSION}
  description: ${NAME} and $NAME and ${NAME
  labels: {"${KEY}": "${LABEL}"}
releaseNotes: |
  for ${NONE}, version ${VERSION}
nodeProfiles: [{name: node}]
installer:
  flavors:
    items:
      - name: a
        nodes:
          - profile: node
            count: ${COUNT}
`
	m, warnings, err := ParseExpanded("app.yaml", strings.NewReader(text), lookup)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		m.Metadata.ResourceVersion, m.Metadata.Description, m.Metadata.Labels["tier"], m.ReleaseNotes,
		m.Installer.Flavors.Items[0].Nodes[0].Count,
	}
	want := []any{
		Version("1.2.3"), "web: # [ and $NAME and ${NAME", "true", Source("for , version 1.2.3\n"), 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	const warning = "warning: app.yaml: line 9, column 15: the variable ${NONE} is not set; it becomes nothing; " +
		"set NONE in the environment\n"
	if diff := cmp.Diff("ok\n"+warning, describeResult(warnings, err)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	again := mustParse(t, encode(t, m))
	if diff := cmp.Diff(m, again, sameFields); diff != "" {
		t.Errorf("it changes when it is encoded (-before +after):\n%s", diff)
	}
	if plain := mustParse(t, header+"releaseNotes: ${VERSION}\n"); plain.ReleaseNotes != "${VERSION}" {
		t.Errorf("Parse made %q of it", plain.ReleaseNotes)
	}
}
