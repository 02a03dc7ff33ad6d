package hub_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/delta"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// kinds are bundles in all the ways in which one can have its runtimes and layers:
// whole, as deltas, and in a base that is elsewhere.
var kinds = map[string]func(t testing.TB) bundle.Contents{
	"plain":                func(testing.TB) bundle.Contents { return shop("1.0.0") },
	"embedded":             func(t testing.TB) bundle.Contents { return embedded(t, 1) },
	"chain":                func(t testing.TB) bundle.Contents { return embedded(t, 2) },
	"base":                 func(t testing.TB) bundle.Contents { return upon(t, shop("1.0.0"), false) },
	"the same application": func(t testing.TB) bundle.Contents { return upon(t, shop("1.0.0"), true) },
	"chain upon a base":    func(t testing.TB) bundle.Contents { return upon(t, embedded(t, 2), false) },
}

// embedded is a bundle with runtimes that are stored as deltas, each of the one
// before.
func embedded(t testing.TB, count int) bundle.Contents {
	t.Helper()
	contents := shop("1.0.0")
	m := maker{bundle.Memory{}, shop("1.0.0").Source.(maker).random}
	contents.Source = bundle.Sources{contents.Source, m}
	plain := bytes.Repeat([]byte("kubernetes "), 20_000)
	stored := m.Add(plain)
	stored.MediaType = types.OCIUncompressedLayer
	contents.Runtimes[0].Descriptor = m.index(runtime.ArtifactType, m.image(stored))
	for i, version := range []string{"1.36.3", "1.35.4"}[:count] {
		next := append(bytes.Clone(plain), byte(i))
		var made bytes.Buffer
		file := func(content []byte) delta.File {
			return delta.File{ReaderAt: bytes.NewReader(content), Size: int64(len(content))}
		}
		if err := delta.Make(t.Context(), file(plain), file(next), &made); err != nil {
			t.Fatal(err)
		}
		// The layer is there while the runtime is packed, and not behind that.
		before := maker{bundle.Memory{}, m.random}
		restores := before.Add(next)
		restores.MediaType = types.OCIUncompressedLayer
		packed, err := bundle.Pack(t.Context(), before,
			bundle.Runtime{Version: version, Embedded: true, Descriptor: before.index(runtime.ArtifactType, before.image(restores))},
			map[v1.Hash]bundle.Delta{restores.Digest: {Blob: m.Add(made.Bytes()), Restores: restores, Base: stored}}, m.Memory)
		if err != nil {
			t.Fatal(err)
		}
		contents.Runtimes = append(contents.Runtimes, packed)
		plain, stored = next, restores
	}
	return contents
}

// upon is the next version of a bundle, with the one before as its base and one
// image more. Its manifest may be that of the one before.
func upon(t testing.TB, contents bundle.Contents, same bool) bundle.Contents {
	t.Helper()
	base := open(t, write(t, contents))
	m := maker{bundle.Memory{}, shop("1.0.0").Source.(maker).random}
	contents.Bases = []*bundle.Bundle{base}
	contents.Version = "1.1.0"
	if !same {
		contents.Manifest = append(bytes.Clone(contents.Manifest), '\n')
	}
	contents.Source = bundle.Sources{m, contents.Source}
	contents.Images = append([]bundle.Image{{Reference: "docker.io/library/new:1", Descriptor: m.image(m.layer(3001))}}, contents.Images...)
	return contents
}

// testKinds pushes and pulls each kind of bundle. That repositories are empty, or
// have the base, makes no difference.
func testKinds(t *testing.T, host string) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			contents := kind(t)
			folder := "/" + strings.ReplaceAll(name, " ", "-")
			path := write(t, contents, generate(t))
			connection := connect(t, "")
			for prefix, before := range map[string][]*bundle.Bundle{host + folder + "/empty": nil, host + folder + "/based": contents.Bases} {
				for _, base := range before {
					if _, err := connection.Push(t.Context(), base, prefix, false); err != nil {
						t.Fatal(err)
					}
				}
				pushed, err := connection.Push(t.Context(), open(t, path), prefix, false)
				if err != nil {
					t.Fatal(err)
				}
				if again, err := connection.Push(t.Context(), open(t, path), prefix, false); err != nil || !again.Unchanged {
					t.Errorf("pushed again: %+v, %v", again, err)
				}
				got, err := pullTo(t, connect(t, ""), pushed.Reference)
				if err != nil || got != readFile(t, path) {
					t.Errorf("%s: what was pulled is not what was pushed: %v", prefix, err)
				}
			}
		})
	}
}

func TestKinds(t *testing.T) { testKinds(t, serve(t).host()) }

func TestDistributionKinds(t *testing.T) { testKinds(t, startDistribution(t, "true").address) }

// TestManyUponBase refuses a bundle of which too much cannot be a manifest in a
// registry, before anything is sent, and says what to do.
func TestManyUponBase(t *testing.T) {
	s := serve(t)
	contents := shop("1.0.0")
	m := maker{bundle.Memory{}, shop("1.0.0").Source.(maker).random}
	shared := m.layer(1 << 20)
	contents.Source = bundle.Sources{contents.Source, m}
	for i := range 500 {
		contents.Images = append(contents.Images, bundle.Image{
			Reference: fmt.Sprintf("docker.io/library/many%d:1", i), Descriptor: m.image(shared, m.layer(10)),
		})
	}
	connection := connect(t, "")
	complete := open(t, write(t, contents))
	_, err := connection.Push(t.Context(), open(t, write(t, upon(t, contents, false))), s.host(), false)
	if err == nil || !strings.Contains(err.Error(), "built upon a base") || !strings.Contains(strings.Join(cli.Hints(err), " "), "without --base") {
		t.Errorf("error %v, hints %q", err, cli.Hints(err))
	}
	if sent := s.requests("P"); len(sent) > 0 {
		t.Errorf("%d requests were sent, such as %s", len(sent), sent[0])
	}
	if _, err := connection.Push(t.Context(), complete, s.host(), false); err != nil {
		t.Errorf("the complete bundle: %v", err)
	}
}
