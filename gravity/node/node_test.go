package node_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func TestNode(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	_, err := node.Read(p)
	if !errors.Is(err, fs.ErrNotExist) || len(cli.Hints(err)) == 0 {
		t.Errorf("no node: %v", err)
	}
	want := &node.Node{
		Cluster: "test", Name: "node-1", Address: netip.MustParseAddr("10.0.0.1"), Master: true, Runtime: "1.37.2", PodNetwork: netip.MustParsePrefix("10.244.0.0/16"),
		Mounts: []node.Mount{{Source: "/a", Target: "/b"}},
	}
	if err := want.Write(p); err != nil {
		t.Fatal(err)
	}
	got, err := node.Read(p)
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, text := range []string{"", "{}", `{"name": "x", "address": "10.0.0.1"}`} {
		if err := os.WriteFile(p.Node(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := node.Read(p); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

// TestMountOwn wants a folder to be made and owned, and to be left alone where
// that is asked for.
func TestMountOwn(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b")
	id := os.Getuid()
	mount := node.Mount{Source: folder, Create: true, Mode: 0o1750, UID: &id}
	if err := mount.Own(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(folder)
	if err != nil || info.Mode() != fs.ModeDir|fs.ModeSticky|0o750 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (&node.Mount{Source: folder, Create: true}).Own(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the mode was changed: %v, %v", info.Mode(), err)
	}
	missing := node.Mount{Source: filepath.Join(folder, "missing")}
	if err := missing.Ensure(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(missing.Source); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that was not to be made: %v", err)
	}
}
