package store

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

var (
	first  = netip.MustParseAddr("10.0.0.1")
	second = netip.MustParseAddr("10.0.0.2")
)

// registries are those of two masters, with one image.
type registries struct {
	bundle.Memory
	image Image
	layer v1.Hash

	mu     sync.Mutex
	asked  map[netip.Addr]int
	down   map[netip.Addr]bool
	broken map[netip.Addr]bool // connections break within the layer
	// damaged is who has what damaged.
	damaged map[Damage]bool
}

func newRegistries(t *testing.T) (*registries, *Remote) {
	t.Helper()
	r := &registries{
		Memory: bundle.Memory{}, asked: map[netip.Addr]int{}, down: map[netip.Addr]bool{}, broken: map[netip.Addr]bool{}, damaged: map[Damage]bool{},
	}
	config, layer := r.Add([]byte("{}")), r.Add(bytes.Repeat([]byte("layer"), 1000))
	config.MediaType, layer.MediaType = types.OCIConfigJSON, types.OCILayer
	content, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: []v1.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	r.image, r.layer = Image{Name: "docker.io/library/a:1", Descriptor: r.Add(content)}, layer.Digest
	r.image.Descriptor.MediaType = types.OCIManifestSchema1
	remote, err := NewRemote([]netip.Addr{first, second}, &tls.Config{MinVersion: tls.VersionTLS13}, []Image{r.image})
	if err != nil {
		t.Fatal(err)
	}
	remote.client.Transport = r
	return r, remote
}

// RoundTrip answers for the registry of a master.
func (r *registries) RoundTrip(request *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	master := netip.MustParseAddrPort(request.URL.Host).Addr()
	r.asked[master]++
	if r.down[master] {
		return nil, errors.New("no route to host")
	}
	digest, err := v1.NewHash(path.Base(request.URL.Path))
	if err != nil {
		return nil, err
	}
	content := r.Memory[digest]
	if r.damaged[Damage{master, digest}] {
		content = bytes.ToUpper(content)
	}
	var body io.Reader = bytes.NewReader(content)
	if r.broken[master] && digest == r.layer {
		body = io.MultiReader(bytes.NewReader(content[:100]), brokenReader{})
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body), ContentLength: int64(len(content)), Request: request}, nil
}

// brokenReader is what is left of an answer when the connection broke.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestRemoteDown asks a master that does not answer once, and not for every blob.
func TestRemoteDown(t *testing.T) {
	r, remote := newRegistries(t)
	r.down[first] = true
	s, arrived := New(t.TempDir()), make(chan struct{}, 10)
	if err := s.Import(t.Context(), remote, []Image{r.image}, Options{Arrived: func() { arrived <- struct{}{} }}); err != nil {
		t.Fatal(err)
	}
	if r.asked[first] != 1 || r.asked[second] != 4 || len(arrived) != 3 {
		t.Errorf("%v were asked, %d blobs have arrived", r.asked, len(arrived))
	}
	r.down[second] = true
	_, err := remote.Open(t.Context(), r.layer)
	if _, ok := errors.AsType[*UnavailableError](err); !ok || r.asked[first] != 2 || !strings.Contains(err.Error(), "10.0.0.1:5000") {
		t.Errorf("%v were asked: %v", r.asked, err)
	}
}

// TestRemoteDamaged takes what one master has damaged from the other, and names them
// if all have.
func TestRemoteDamaged(t *testing.T) {
	r, remote := newRegistries(t)
	manifest := r.image.Descriptor.Digest
	r.damaged[Damage{first, r.layer}], r.damaged[Damage{first, manifest}] = true, true
	s := New(t.TempDir())
	if err := s.Import(t.Context(), remote, []Image{r.image}, Options{}); err != nil {
		t.Fatal(err)
	}
	if got := remote.Damaged(); len(got) != 2 || got[0].Master != first || got[1].Master != first {
		t.Errorf("%v are damaged", got)
	}
	for digest := range r.Memory {
		if err := s.Verify(t.Context(), digest); err != nil {
			t.Error(err)
		}
	}
	r, remote = newRegistries(t)
	r.damaged[Damage{first, r.layer}], r.damaged[Damage{second, r.layer}] = true, true
	for range 2 { // it is not asked for again
		err := New(t.TempDir()).Import(t.Context(), remote, []Image{r.image}, Options{})
		if !damaged(err) || !strings.Contains(err.Error(), "10.0.0.1 is damaged\nthat of 10.0.0.2 is damaged") {
			t.Errorf("%v", err)
		}
		hints := strings.Join(cli.Hints(err), "\n")
		if !strings.Contains(hints, r.layer.Hex+"/data") || strings.Contains(hints, "tele verify") {
			t.Errorf("the hints are %q", hints)
		}
	}
	if got := remote.Damaged(); len(got) != 2 || got[0].Digest != r.layer || got[1].Digest != r.layer {
		t.Errorf("%v are damaged", got)
	}
	// A master that is down may have it.
	r, remote = newRegistries(t)
	r.damaged[Damage{first, r.layer}], r.down[second] = true, true
	err := New(t.TempDir()).Import(t.Context(), remote, []Image{r.image}, Options{})
	if _, ok := errors.AsType[*UnavailableError](err); !ok || damaged(err) {
		t.Errorf("%v", err)
	}
}

// TestRemoteBroken wants a connection that broke not to be taken for a damaged blob.
func TestRemoteBroken(t *testing.T) {
	r, remote := newRegistries(t)
	r.broken[first] = true
	s := New(t.TempDir())
	err := s.Import(t.Context(), remote, []Image{r.image}, Options{})
	if _, ok := errors.AsType[*UnavailableError](err); !ok || damaged(err) || !strings.Contains(err.Error(), "master 10.0.0.1: the connection broke") {
		t.Errorf("%v", err)
	}
	if err := s.Import(t.Context(), remote, []Image{r.image}, Options{}); err != nil || len(remote.Damaged()) > 0 {
		t.Errorf("%v; %v are damaged", err, remote.Damaged())
	}
}

// TestRepairFromDamaged repairs from the second master what the first has damaged, too.
func TestRepairFromDamaged(t *testing.T) {
	r, remote := newRegistries(t)
	s := New(t.TempDir())
	if err := s.Import(t.Context(), remote, []Image{r.image}, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.blobPath(r.layer)); err != nil {
		t.Fatal(err)
	}
	r.damaged[Damage{first, r.layer}] = true
	found, err := s.Repair(t.Context(), remote, func(v1.Hash) bool { return false })
	if diff := cmp.Diff(Condition{Blobs: 3, Repaired: 1, Complete: true}, found); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := s.Verify(t.Context(), r.layer); err != nil {
		t.Error(err)
	}
}
