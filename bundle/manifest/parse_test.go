package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameFields compares what manifests say, not where.
var sameFields = cmpopts.IgnoreUnexported(Manifest{})

// mustParse parses a valid manifest.
func mustParse(t *testing.T, text string) *Manifest {
	t.Helper()
	m, _, err := Parse("app.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// examples are all valid manifests of the test data, by their path.
func validExamples(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range []string{"testdata/guide/*.yaml", "testdata/valid/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = text
		}
	}
	return all
}

// TestGuide reads every manifest of the guide; where it shows a part, the rest
// is the least that makes a manifest of it.
func TestGuide(t *testing.T) {
	for name, text := range validExamples(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, warnings, err := Parse(name, bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 {
				t.Errorf("warnings %v", warnings)
			}
		})
	}
}

func TestGuideValues(t *testing.T) {
	read := func(name string) *Manifest {
		text, err := os.ReadFile("testdata/guide/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return mustParse(t, string(text))
	}
	wantTaint := []Taint{{Key: "custom-taint", Value: "custom-value", Effect: TaintNoExecute}}
	if diff := cmp.Diff(wantTaint, read("taints.yaml").NodeProfiles[0].Taints); diff != "" {
		t.Errorf("taints mismatch (-want +got):\n%s", diff)
	}
	if role := read("master-label.yaml").NodeProfiles[0].ServiceRole; role != RoleMaster {
		t.Errorf("service role %q, want master", role)
	}
	if role := read("node-label.yaml").NodeProfiles[0].ServiceRole; role != RoleNode {
		t.Errorf("service role %q, want node", role)
	}
	if role := read("taints.yaml").NodeProfiles[0].ServiceRole; role != "" {
		t.Errorf("service role %q, want none", role)
	}
	if mode := read("hairpin.yaml").SystemOptions.Kubelet.HairpinMode; mode != HairpinVeth {
		t.Errorf("hairpin mode %q", mode)
	}
	if network := read("wireguard.yaml").Providers.Generic.Network.Type; network != NetworkWireGuard {
		t.Errorf("network %q", network)
	}
	wantFlags := []Flag{{
		Name: "--eviction-hard",
		Value: "nodefs.available<10%,imagefs.available<15%,nodefs.inodesFree<5%,imagefs.inodesFree<5%," +
			"memory.available<1Gi",
	}}
	if diff := cmp.Diff(wantFlags, read("eviction.yaml").SystemOptions.Kubelet.Flags()); diff != "" {
		t.Errorf("flags mismatch (-want +got):\n%s", diff)
	}
	if hooks := read("backup-restore-hooks.yaml").Hooks; hooks[HookBackup].Job == "" || hooks[HookRestore].Job == "" {
		t.Errorf("hooks %v", hooks)
	}
}

func TestDefaults(t *testing.T) {
	got := mustParse(t, header)
	want := &Manifest{
		APIVersion: APIVersionBundle,
		Kind:       KindBundle,
		Metadata:   Metadata{Name: "a", ResourceVersion: "1.0.0", Namespace: "default", Repository: Repository},
		Installer: Installer{Flavors: &Flavors{Items: []Flavor{
			{Name: "default", Nodes: []FlavorNodes{{Profile: "node", Count: 1}}},
		}}},
		NodeProfiles: []NodeProfile{
			{Name: "node", Description: "Default node", Labels: map[string]string{"role": "node"}},
		},
		Providers: Providers{Generic: Generic{Network: GenericNetwork{Type: "vxlan"}}},
		SystemOptions: SystemOptions{
			Runtime: Runtime{Name: "kubernetes", Version: "0.0.0+latest", Repository: Repository},
			Docker:  Docker{StorageDriver: "overlay2", Capacity: 2e9},
		},
	}
	if diff := cmp.Diff(want, got, sameFields); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if version := got.RuntimeVersion(); version != "" {
		t.Errorf("runtime version %q, want none", version)
	}
}

func TestDefaultsOfParts(t *testing.T) {
	m := mustParse(t, header+`
providers: {aws: {}}
license: {enabled: true}
nodeProfiles:
  - name: node
    labels: {node-role.kubernetes.io/control-plane: "true", role: own}
    requirements:
      network: {ports: [{ranges: ["80"]}]}
      volumes: [{path: /a}, {path: /b, skipIfMissing: true}]
      devices: [{path: /dev/a}]
installer: {flavors: {items: [{name: a, nodes: [{profile: node, count: 1}]}]}}
`)
	profile := m.NodeProfiles[0]
	r := profile.Requirements
	type parts struct {
		AWS         AWS
		License     License
		Ports       Ports
		Create      []bool
		Device      Device
		Labels      map[string]string
		ServiceRole ServiceRole
	}
	got := parts{
		*m.Providers.AWS, *m.License, r.Network.Ports[0],
		[]bool{r.Volumes[0].CreateIfMissing, r.Volumes[1].CreateIfMissing},
		r.Devices[0], profile.Labels, profile.ServiceRole,
	}
	want := parts{
		AWS:         AWS{Network: AWSNetwork{Type: "aws-vpc"}, IAMPolicy: IAMPolicy{Version: "2012-10-17"}},
		License:     License{Enabled: true, Type: "certificate"},
		Ports:       Ports{Protocol: ProtocolTCP, Ranges: []PortRange{{80, 80}}},
		Create:      []bool{true, false},
		Device:      Device{Path: "/dev/a", Permissions: "rw", FileMode: 0o666},
		Labels:      map[string]string{LabelControlPlane: "true", LabelRole: "own", LabelServiceRole: "master"},
		ServiceRole: RoleMaster,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestApplicationHasNoNodes(t *testing.T) {
	m := mustParse(t, strings.Replace(header, "kind: Bundle", "kind: Application", 1))
	if len(m.NodeProfiles) != 0 || m.Installer.Flavors != nil {
		t.Errorf("profiles %v, flavors %v, want none", m.NodeProfiles, m.Installer.Flavors)
	}
}

func TestOptionsOf(t *testing.T) {
	text, err := os.ReadFile("testdata/valid/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := mustParse(t, string(text))
	want := m.SystemOptions
	if diff := cmp.Diff(want, m.OptionsOf("master")); diff != "" {
		t.Errorf("master: mismatch (-want +got):\n%s", diff)
	}
	want.Kubelet.Args = []string{"--max-pods=200"}
	if diff := cmp.Diff(want, m.OptionsOf("worker")); diff != "" {
		t.Errorf("worker: mismatch (-want +got):\n%s", diff)
	}
	if version := m.RuntimeVersion(); version != "1.37.2" {
		t.Errorf("runtime version %q", version)
	}
	if flavor, _ := m.Flavor(""); flavor.Name != "three" {
		t.Errorf("default flavor %q", flavor.Name)
	}
}

func TestPosition(t *testing.T) {
	text, err := os.ReadFile("testdata/valid/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := mustParse(t, string(text))
	lines := strings.Split(string(text), "\n")
	for path, want := range map[string]string{
		"metadata.name":        "full_App-1",
		"nodeProfiles":         "nodeProfiles:",
		"nodeProfiles[1].name": "worker",
		`nodeProfiles[0].labels["node-role.kubernetes.io/master"]`: `"true"`,
		"hooks.install.nothing":        "install:",
		"nodeProfiles[7].requirements": "nodeProfiles:",
	} {
		line, column := m.Position(path)
		if line == 0 || !strings.HasPrefix(lines[line-1][column-1:], want) {
			t.Errorf("%s is at line %d, column %d, want at %q", path, line, column, want)
		}
	}
}

// endless is a manifest that never ends.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "# comment\n"[int(e.read)%10]
		e.read++
	}
	return len(p), nil
}

func TestLargeManifestIsNotRead(t *testing.T) {
	r := &endless{}
	_, _, err := Parse("app.yaml", io.LimitReader(r, 1<<30))
	var refused *Errors
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "app.yaml: is larger than 4 MiB") {
		t.Errorf("error %v", err)
	}
	if r.read > 2*MaxSize {
		t.Errorf("%d bytes were read", r.read)
	}
}

// TestHostile gives manifests that are small and would cost much.
func TestHostile(t *testing.T) {
	laughs := header + "metadata2:\n  - &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 30; i++ {
		laughs += fmt.Sprintf("  - &a%d [*a%d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d]\n", i, i-1)
	}
	chain := header + "a0: &a0 [x]\n"
	for i := 1; i < 1000; i++ {
		chain += fmt.Sprintf("a%d: &a%d [*a%d]\n", i, i, i-1)
	}
	merges := header + "endpoints:\n  - &a0 {name: x}\n"
	for i := 1; i < 40; i++ {
		merges += fmt.Sprintf("  - &a%d {<<: [*a%d, *a%[2]d, *a%[2]d]}\n", i, i-1)
	}
	for name, test := range map[string]struct{ text, want string }{
		"billion laughs": {laughs, "stands for more than 100000 values"},
		"merges":         {merges, "stands for more than 100000 values"},
		"chain":          {chain, "is nested deeper than 64 levels, with its aliases"},
		"flow depth":     {header + "a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "is nested deeper than 64 levels"},
		"open brackets":  {strings.Repeat("[", MaxSize), "too many lines, lists or fields"},
		"open braces":    {strings.Repeat("{", 400_000), "is not YAML"},
		"dashes":         {strings.Repeat("- ", 400_000), "is not YAML"},
		"items":          {header + "endpoints: [" + strings.Repeat("a,", 150_000) + "]", "stands for more than 100000 values"},
		"keys":           {header + strings.Repeat("zz:\n", 40_000), "and "},
		"anchors":        {header + "a: [" + strings.Repeat("&a a,", 99_000) + "]", "unknown field"},
		"comments":       {header + strings.Repeat("#\n", 400_000) + "a: 1\n", "unknown field"},
		"comments below": {header + "x:\n" + strings.Repeat("  # a\n\n", 200_000), "unknown field"},
		"long key":       {header + strings.Repeat("k", 1<<20) + ": 1\n", "is not YAML"},
		"quotes":         {header + `a: "` + strings.Repeat(`\u0041`, 150_000) + `"`, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, _, err := Parse("app.yaml", strings.NewReader(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %.300v, want one about %q", err, test.want)
			}
			if err != nil && len(err.Error()) > 100_000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %s", took)
			} else if took > time.Second/4 {
				t.Logf("it took %s", took)
			}
		})
	}
}

func TestReaderError(t *testing.T) {
	cause := errors.New("disk on fire")
	_, _, err := Parse("app.yaml", iotest.ErrReader(cause))
	if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "read app.yaml: ") {
		t.Errorf("error %v", err)
	}
}

func TestErrors(t *testing.T) {
	_, _, err := Parse("my.yaml", strings.NewReader(header+"nodeProfiles: [{name: node, requirements: {cpu: {min: two}}}]\n"))
	var refused *Errors
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	want := []Problem{
		{
			File: "my.yaml", Line: 6, Column: 1, Path: "nodeProfiles",
			Message: "at least one flavor is required when node profiles are defined",
			Hint:    "write installer: {flavors: {items: [{name: default, nodes: [{profile: node, count: 1}]}]}}",
		},
		{
			File: "my.yaml", Line: 6, Column: 55, Path: "nodeProfiles[0].requirements.cpu.min",
			Message: `"two" is not a number`, Hint: "write a whole number such as 2",
		},
	}
	if diff := cmp.Diff(want, refused.Problems); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	var problem Problem
	if !errors.As(err, &problem) || problem != want[0] {
		t.Errorf("errors.As finds %v", problem)
	}
	const line = `my.yaml: line 6, column 55: nodeProfiles[0].requirements.cpu.min: "two" is not a number; write a whole number such as 2`
	if got := want[1].Error(); got != line {
		t.Errorf("message %q, want %q", got, line)
	}
}

func TestManyErrorsAreCounted(t *testing.T) {
	var text strings.Builder
	text.WriteString(header)
	for i := range 250 {
		fmt.Fprintf(&text, "zzz%d: 1\n", i)
	}
	_, _, err := Parse("app.yaml", strings.NewReader(text.String()))
	var refused *Errors
	if !errors.As(err, &refused) || len(refused.Problems) != MaxProblems || refused.More != 150 {
		t.Fatal(err)
	}
	if !strings.HasSuffix(err.Error(), "\nand 150 more") {
		t.Errorf("message %q", err)
	}
}

// TestSyntaxLines holds that a syntax error is reported on its line.
func TestSyntaxLines(t *testing.T) {
	for text, want := range map[string]int{
		"a: b: c": 1, "\n\na: b: c\n": 3, "a: 1\n\x01\n": 2, "a: 1\n\xff\n": 2, "\x01": 1, "\xff": 1, "a: 1\nb: *y\n": 2,
		"x: 1\ny: }\n": 2, "- a\n- b\nc: d\n": 3, "a: 1\n- b\n": 2, "}": 1,
	} {
		_, _, err := Parse("app.yaml", strings.NewReader(text))
		var problem Problem
		if !errors.As(err, &problem) || problem.Line != want || !strings.HasPrefix(problem.Message, "is not YAML: ") {
			t.Errorf("%q: error %v, want one on line %d", text, err, want)
		}
	}
}
