package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func TestParseZones(t *testing.T) {
	got, err := parseZones([]string{"corp.example/10.0.0.1", "corp.example/10.0.0.2:5353", "x/::1"})
	want := map[string][]netip.AddrPort{
		"corp.example": {netip.MustParseAddrPort("10.0.0.1:53"), netip.MustParseAddrPort("10.0.0.2:5353")},
		"x":            {netip.MustParseAddrPort("[::1]:53")},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, zone := range []string{"", "corp.example", "/10.0.0.1", "corp.example/dns", "corp.example/10.0.0.1:x"} {
		if _, err := parseZones([]string{zone}); cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: %v", zone, err)
		}
	}
}

func TestMounts(t *testing.T) {
	there := t.TempDir()
	m := &manifest.Manifest{NodeProfiles: []manifest.NodeProfile{{Name: "db", Requirements: manifest.Requirements{Volumes: []manifest.Volume{
		{Path: "/data", Name: "data", TargetPath: "/ext/data", Recursive: true, CreateIfMissing: true, Mode: 0o750, UID: new(7)},
		{Path: manifest.Path(there), TargetPath: "/ext/there", SkipIfMissing: true},
		{Path: manifest.Path(filepath.Join(there, "missing")), TargetPath: "/ext/missing", SkipIfMissing: true},
		{Path: "/without/target"},
	}}}}}
	got, err := mounts(m, "db", []string{"data:/mnt/big"})
	want := []node.Mount{
		{Source: "/mnt/big", Target: "/ext/data", Recursive: true, Create: true, Mode: 0o750, UID: new(7)},
		{Source: there, Target: "/ext/there"},
		{Source: "/without/target"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, mount := range []string{"data", "data:relative", "other:/x"} {
		if _, err := mounts(m, "db", []string{mount}); cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: %v", mount, err)
		}
	}
}

// TestReadResources wants phases for what a file has, and files that are wrong
// to be refused.
func TestReadResources(t *testing.T) {
	const object, document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "kind: smtp\nversion: v2\nspec: {host: mail}\n"
	for text, want := range map[string]install.Settings{
		"":                          {},
		"# nothing\n":               {},
		object:                      {Resources: "kept"},
		document:                    {GravityResources: "kept"},
		object + "---\n" + document: {Resources: "kept", GravityResources: "kept"},
	} {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("given", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		content, file, err := (&installation{resources: "given"}).readResources()
		if err != nil {
			t.Fatal(err)
		}
		var got install.Settings
		if err := keepResources("kept", content, file, &got); err != nil {
			t.Fatal(err)
		}
		if got.Resources != want.Resources || got.GravityResources != want.GravityResources {
			t.Errorf("%q: %q and %q", text, got.Resources, got.GravityResources)
		}
		_, err = os.Stat("kept")
		if kept := err == nil; kept != (text == object || strings.Contains(text, document)) {
			t.Errorf("%q: kept %v", text, kept)
		}
	}
	if _, _, err := (&installation{resources: "missing"}).readResources(); err == nil || !strings.Contains(err.Error(), "--config: ") {
		t.Errorf("a file that is not there: %v", err)
	}
	if content, file, err := new(installation).readResources(); len(content) > 0 || file == nil || err != nil {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile("bad", []byte(object+"---\nkind: stmp\nversion: v2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (&installation{resources: "bad"}).readResources(); err == nil || !strings.HasPrefix(err.Error(), `bad: line 5: unknown kind "stmp"`) {
		t.Errorf("a bad file: %v", err)
	}
}

// TestHold wants operations that are being executed to be left alone.
func TestHold(t *testing.T) {
	g := &globals{stateDir: t.TempDir()}
	p := paths.Paths{Root: g.stateDir}
	if _, err := g.hold(t.Context(), p); err != nil || p.Used() {
		t.Errorf("where nothing is: %v, used %v", err, p.Used())
	}
	plan := &operation.Plan{
		OperationID: "one", OperationType: operation.TypeInstall, ClusterName: "c",
		Phases: []operation.Phase{{ID: "/checks", Executor: "checks"}},
	}
	if err := g.operations().Create(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	journal, err := g.operations().Open(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.hold(t.Context(), p); !errors.Is(err, operation.ErrLocked) {
		t.Errorf("while it is executed: %v", err)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	release, err := g.hold(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.operations().Open(t.Context(), "one"); !errors.Is(err, operation.ErrLocked) {
		t.Errorf("while it is held: %v", err)
	}
	release()
	if journal, err = g.operations().Open(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := journal.Close(); err != nil {
		t.Error(err)
	}
}

func TestRandomName(t *testing.T) {
	if name := randomName(); !regexp.MustCompile(`^[a-z]+[0-9]{4}$`).MatchString(name) {
		t.Errorf("%q is not adjective, colour and number", name)
	}
}

// TestKeepToken wants tokens in a file for root alone, and random ones where none
// is given.
func TestKeepToken(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, token := range []string{"given-by-somebody", "@" + secret, "", ""} {
		p := paths.Paths{Root: t.TempDir()}
		i := &installation{token: token}
		if err := i.keepToken(p); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(p.Token())
		if err != nil || len(content) < 6 || seen[string(content)] {
			t.Errorf("%q: token %q, %v", token, content, err)
		}
		seen[string(content)] = true
		if info, err := os.Stat(p.Token()); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	if !seen["given-by-somebody\n"] || !seen["from-a-file\n"] {
		t.Errorf("tokens are %v", seen)
	}
	if err := (&installation{token: "@" + secret + "x"}).keepToken(paths.Paths{Root: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "--token") {
		t.Errorf("a missing file: %v", err)
	}
	if err := (&installation{token: "short"}).keepToken(paths.Paths{Root: t.TempDir()}); cli.ExitCode(err) != cli.ExitUsage {
		t.Errorf("a token that can be guessed: %v", err)
	}
}
