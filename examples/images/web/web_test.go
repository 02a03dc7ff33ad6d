package web_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/examples/images/book"
	"github.com/gravity-platform/terraform-provider-gravity/examples/images/etcdtest"
	"github.com/gravity-platform/terraform-provider-gravity/examples/images/web"
)

type answer struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, server *httptest.Server, method, path, body string, header ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(content)}
}

func TestHandler(t *testing.T) {
	client := etcdtest.Start(t)
	var log strings.Builder
	server := httptest.NewServer(web.Handler(book.New(client, 2), "2.0.0", slog.New(slog.NewJSONHandler(&log, nil))))
	defer server.Close()

	if got := ask(t, server, "GET", "/rows", ""); got.status != 200 || strings.TrimSpace(got.body) != "[]" {
		t.Errorf("an empty ledger lists %+v", got)
	}
	long := strings.Repeat("a", book.MaxText)
	for _, test := range []struct {
		name, body string
		header     []string
		status     int
		contains   string
	}{
		{"text", "hello", nil, 201, `"id":1,"text":"hello"`},
		{"json", `{"text":"a\nb"}`, []string{"Content-Type", "application/json; charset=utf-8"}, 201, `"id":2,"text":"a\nb"`},
		{"longest", long, nil, 201, `"id":3`},
		{"with a key", "once", []string{"Idempotency-Key", "k"}, 201, `"id":4`},
		{"again", "once", []string{"Idempotency-Key", "k"}, 201, `"id":4`},
		{"other text", "twice", []string{"Idempotency-Key", "k"}, 409, "another text"},
		{"empty", "", nil, 400, "empty"},
		{"too long", long + "a", nil, 413, "longer"},
		{"much too long", strings.Repeat("a", 1<<20), nil, 413, "too large"},
		{"not JSON", "{", []string{"Content-Type", "application/json"}, 400, "not JSON"},
		{"not UTF-8", "\xff", nil, 400, "UTF-8"},
		{"long key", "x", []string{"Idempotency-Key", strings.Repeat("k", book.MaxKey+1)}, 400, "longer"},
	} {
		if got := ask(t, server, "POST", "/rows", test.body, test.header...); got.status != test.status || !strings.Contains(got.body, test.contains) {
			t.Errorf("%s: %d %.200s, want %d with %s", test.name, got.status, got.body, test.status, test.contains)
		}
	}
	checkList(t, ask(t, server, "GET", "/rows", ""))
	for path, want := range map[string]string{
		"/":        "ledger 2.0.0\nrows: 4\nmember default: answers\n",
		"/version": `{"version":"2.0.0"}` + "\n",
		"/healthz": "ok\n",
		"/readyz":  "ok\n",
	} {
		if got := ask(t, server, "GET", path, ""); got.status != 200 || got.body != want {
			t.Errorf("%s: %+v, want %q", path, got, want)
		}
	}
	if got := ask(t, server, "DELETE", "/rows", ""); got.status != 405 {
		t.Errorf("DELETE: %+v", got)
	}
	if _, err := client.Put(t.Context(), "/ledger/restoring", ""); err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{"GET /readyz", "GET /rows", "POST /rows"} {
		method, path, _ := strings.Cut(request, " ")
		if got := ask(t, server, method, path, "x"); got.status != 503 || !strings.Contains(got.body, "restored") {
			t.Errorf("%s %s while a backup is restored: %+v", method, path, got)
		}
	}
	if !strings.Contains(log.String(), `"path":"/rows","status":201,"row":"1"`) {
		t.Errorf("log:\n%.400s", log.String())
	}
}

func checkList(t *testing.T, got answer) {
	t.Helper()
	var rows []book.Row
	if err := json.Unmarshal([]byte(got.body), &rows); err != nil || len(rows) != 4 {
		t.Fatalf("list: %d rows (%v)", len(rows), err)
	}
	for i, row := range rows {
		if row.ID != uint64(i+1) || row.Key != "" || row.Digest == "" || row.Time.IsZero() {
			t.Errorf("row at place %d: %d, key %q, digest %q, time %s", i, row.ID, row.Key, row.Digest, row.Time)
		}
	}
}
