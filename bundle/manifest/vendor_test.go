package manifest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"

const job = `apiVersion: batch/v1
kind: Job
metadata:
  name: install
spec:
  template:
    spec:
      containers:
        - name: install # the only one
          image: install:1.0.0
`

// folder makes a folder with files and a fetcher of it.
func folder(t *testing.T, files map[string]string) Folder {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return Folder{Root: root, Client: http.DefaultClient}
}

func TestVendor(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# Notes\n\nNew.\n")
	}))
	defer server.Close()
	text, err := os.ReadFile("testdata/valid/references.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := mustParse(t, strings.Replace(string(text), "https://example.com", server.URL, 1))
	if got := len(m.References()); got != 7 {
		t.Errorf("%d references, want 7: %v", got, m.References())
	}
	files := folder(t, map[string]string{
		"logo.png": png, "eula.txt": "\ufeffYou may.\r\n", "flavors.txt": "Choose.", "checks/clock.sh": "#!/bin/sh\ndate\n",
		"web.json": `{"a": 1}`, "hooks/install.yaml": job,
	})
	vendored, warnings, err := m.Vendor(t.Context(), files)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	encoded := encode(t, vendored)
	for _, of := range []*Manifest{vendored, mustParse(t, encoded)} {
		got := []Source{
			of.Logo, of.ReleaseNotes, of.Installer.EULA.Source, of.Installer.Flavors.Description,
			of.NodeProfiles[0].Requirements.CustomChecks[0].Script, of.WebConfig, of.Hooks[HookInstall].Job,
		}
		want := []Source{
			Source("data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte(png))),
			"# Notes\n\nNew.\n", "You may.\r\n", "Choose.", "#!/bin/sh\ndate\n", `{"a": 1}`, job,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("mismatch (-want +got):\n%s", diff)
		}
		if len(of.References()) > 0 {
			t.Errorf("references are left: %v", of.References())
		}
	}
	for _, part := range []string{"# The texts are beside", "# shown before an upgrade", "job: |\n      apiVersion: batch/v1\n"} {
		if !strings.Contains(encoded, part) {
			t.Errorf("%q is not in:\n%s", part, encoded)
		}
	}
}

func TestVendorRefuses(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	files := folder(t, map[string]string{
		"large.txt": strings.Repeat("a", MaxValueSize+1), "binary.txt": "a\x00b", "latin.txt": "\xe9", "page.html": "<html>",
		"pod.yaml": "apiVersion: v1\nkind: Pod\n", "web.json": "{\n1}", "again.txt": "file://again.txt", "broken.yaml": "a: b: c\n",
	})
	if err := os.Symlink("/etc/passwd", filepath.Join(files.Root.Name(), "link.txt")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(files.Root.Name(), "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := strings.Replace(server.URL, "http://", "http://user:secret@", 1)
	for _, test := range []struct{ field, want string }{
		{"releaseNotes: file://missing.txt", "line 6, column 15: releaseNotes: file://missing.txt: no such file or directory; write the path"},
		{"releaseNotes: file://../a.txt", "releaseNotes: file://../a.txt leads out of the manifest's folder; put the file into the folder"},
		{"releaseNotes: file:///etc/passwd", "leads out of the manifest's folder"},
		{"releaseNotes: file://a/../../b", "leads out of the manifest's folder"},
		{"releaseNotes: file://", "leads out of the manifest's folder"},
		{"releaseNotes: file://link.txt", "file://link.txt: path escapes from parent"},
		{"releaseNotes: file://pipe", "file://pipe: not a regular file"},
		{"releaseNotes: file://.", "file://.: not a regular file"},
		{"releaseNotes: file://large.txt", "file://large.txt is larger than 1 MiB"},
		{"releaseNotes: file://binary.txt", "file://binary.txt is not text in UTF-8"},
		{"releaseNotes: file://latin.txt", "file://latin.txt is not text in UTF-8"},
		{"releaseNotes: file://again.txt", "contains nothing but another reference"},
		{"releaseNotes: http://", "http:// is not an address; write https://HOST/PATH"},
		{"releaseNotes: " + address + "/a", "user:xxxxx@127.0.0.1"},
		{"releaseNotes: " + address + "/a", "the server answered 404 Not Found; check the address"},
		{"logo: file://page.html", "logo: file://page.html is not an image but text/html"},
		{"webConfig: file://web.json", "line 6, column 12: webConfig: webConfig is not a valid JSON: line 2 of it"},
		{"hooks: {install: {job: file://pod.yaml}}", "line 6, column 24: hooks.install.job: file://pod.yaml, line 2: the job's kind is \"Pod\""},
		{"hooks: {install: {job: file://broken.yaml}}", "file://broken.yaml, line 1: the job is not YAML"},
	} {
		_, _, err := mustParse(t, header+test.field+"\n").Vendor(t.Context(), files)
		var refused *Errors
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one about %q", test.field, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in %v", test.field, err)
		}
	}
}

// counter serves everything and counts.
type counter map[string]int

func (c counter) File(_ context.Context, name string) (io.ReadCloser, error) {
	c[name]++
	return io.NopCloser(bytes.NewReader([]byte(job))), nil
}

func (c counter) URL(_ context.Context, address *url.URL) (io.ReadCloser, error) {
	return nil, errors.New("unexpected " + address.String())
}

func TestVendorFetchesOnce(t *testing.T) {
	calls := counter{}
	m := mustParse(t, header+"hooks:\n  install: &job {job: file://./a.yaml}\n  update: *job\n  status: {job: file://./a.yaml}\n")
	vendored, _, err := m.Vendor(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(counter{"a.yaml": 1}, calls); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	for name, hook := range vendored.Hooks {
		if hook.Job != job {
			t.Errorf("%s: %q", name, hook.Job)
		}
	}
}

func TestVendorReportsAll(t *testing.T) {
	m := mustParse(t, header+"releaseNotes: file://a\nwebConfig: file://b\nlogo: http://localhost:1/c\n")
	_, _, err := m.Vendor(t.Context(), Folder{Root: folder(t, nil).Root})
	want := `error: app.yaml: line 6, column 15: releaseNotes: file://a: no such file or directory; write the path of a file in the manifest's folder
error: app.yaml: line 7, column 12: webConfig: file://b: no such file or directory; write the path of a file in the manifest's folder
error: app.yaml: line 8, column 7: logo: http://localhost:1/c: addresses are not fetched here; check the address, or put the content into a file and write file://PATH
`
	if diff := cmp.Diff(want, describeResult(nil, err)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestVendorIsInterrupted(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	m := mustParse(t, header+"releaseNotes: http://localhost:1/a\n")
	if _, _, err := m.Vendor(ctx, folder(t, nil)); !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
}
