package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// TestTokenRemove wants the token that a master keeps to go with the cluster's, and no
// other one.
func TestTokenRemove(t *testing.T) {
	const kept = "abcdefgh.abcdefghijklmnopqrstuvwxyz"
	for _, test := range []struct {
		id, known string
		stays     bool
		fails     string
	}{
		{"abcdefgh", "abcdefgh", false, ""},
		{"other", "other", true, ""},
		{"abcdefgh", "other", true, `there is no join token with the ID "abcdefgh"`},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.Method != http.MethodDelete || !strings.HasSuffix(r.URL.Path, "/join-token-"+test.known) {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"NotFound","code":404}`)
				return
			}
			fmt.Fprint(w, `{"apiVersion":"v1","kind":"Status","status":"Success"}`)
		}))
		p := paths.Paths{Root: t.TempDir()}
		for path, content := range map[string]string{
			p.Token(): kept + "\n",
			p.KubernetesFile("admin.conf"): `{"apiVersion":"v1","kind":"Config","current-context":"c","users":[{"name":"u","user":{}}],
				"clusters":[{"name":"k","cluster":{"server":"` + server.URL + `"}}],"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}]}`,
		} {
			if err := paths.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		command := newTokenRemoveCommand(&globals{stateDir: p.Root})
		command.SetArgs([]string{test.id})
		command.SetOut(io.Discard)
		command.SetErr(io.Discard)
		err := command.ExecuteContext(t.Context())
		if (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: %v, want %q", test.id, err, test.fails)
		}
		if _, err := os.Stat(p.Token()); errors.Is(err, fs.ErrNotExist) == test.stays {
			t.Errorf("after the removal of %s, the file of the token is there: %t", test.id, !test.stays)
		}
		server.Close()
	}
}
