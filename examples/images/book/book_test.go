package book_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/gravity-platform/terraform-provider-gravity/examples/images/book"
	"github.com/gravity-platform/terraform-provider-gravity/examples/images/etcdtest"
)

func all(t *testing.T, b *book.Book) []book.Row {
	t.Helper()
	var rows []book.Row
	if err := b.Each(t.Context(), func(row book.Row) error {
		rows = append(rows, row)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return rows
}

func appendRow(t *testing.T, b *book.Book, text, key string) book.Row {
	t.Helper()
	row, _, err := b.Append(t.Context(), text, key)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func dump(t *testing.T, b *book.Book) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := b.Dump(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func reset(t *testing.T, client *clientv3.Client) {
	t.Helper()
	if _, err := client.Delete(t.Context(), "/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
}

func TestBook(t *testing.T) {
	client := etcdtest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *clientv3.Client)
	}{
		{"numbers of concurrent writers have no gaps", testNumbers},
		{"a repeated request writes once", testRepeat},
		{"a dump restores exactly its rows", testRestore},
		{"a damaged dump changes nothing", testDamagedDump},
		{"a restore that broke off keeps writers out", testBrokenRestore},
		{"rows of schema 1 get digests once", testMigrate},
	} {
		t.Run(test.name, func(t *testing.T) {
			reset(t, client)
			test.run(t, client)
		})
	}
}

// testNumbers has two replicas, as the application has, with several requests
// each, and more rows than a page.
func testNumbers(t *testing.T, client *clientv3.Client) {
	replicas := []*book.Book{book.New(client, 1), book.New(client, 1)}
	const writers, each = 8, 80
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			for i := range each {
				text := fmt.Sprintf("%d/%d", writer, i)
				if _, _, err := replicas[writer%2].Append(t.Context(), text, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var texts []string
	for i, row := range all(t, replicas[0]) {
		if row.ID != uint64(i+1) {
			t.Fatalf("row %d stands at place %d", row.ID, i+1)
		}
		texts = append(texts, row.Text)
	}
	slices.Sort(texts)
	if len(slices.Compact(texts)) != writers*each {
		t.Errorf("%d texts, want %d", len(texts), writers*each)
	}
	if count, err := replicas[1].Count(t.Context()); err != nil || count != writers*each {
		t.Errorf("count %d (%v), want %d", count, err, writers*each)
	}
}

func testRepeat(t *testing.T, client *clientv3.Client) {
	b := book.New(client, 1)
	first := appendRow(t, b, "text", "key")
	appendRow(t, b, "other", "")
	again, replayed, err := b.Append(t.Context(), "text", "key")
	if err != nil || !replayed || again != first {
		t.Errorf("repeated: %+v, replayed %t (%v), want %+v", again, replayed, err, first)
	}
	if _, _, err := b.Append(t.Context(), "changed", "key"); !errors.Is(err, book.ErrKeyUsed) {
		t.Errorf("the key with another text gives %v", err)
	}
	if rows := all(t, b); len(rows) != 2 {
		t.Errorf("rows %+v", rows)
	}
}

func testRestore(t *testing.T, client *clientv3.Client) {
	b := book.New(client, 2)
	for i := range 300 {
		appendRow(t, b, fmt.Sprint("row ", i), fmt.Sprint("key ", i))
	}
	appendRow(t, b, strings.Repeat("\x01", book.MaxText), "")
	saved := dump(t, b)
	appendRow(t, b, "after the backup", "late")
	for range 2 { // and again
		if _, err := b.Load(t.Context(), strings.NewReader(saved)); err != nil {
			t.Fatal(err)
		}
	}
	if dump(t, b) != saved {
		t.Error("the rows are not those of the dump")
	}
	if row, replayed, err := b.Append(t.Context(), "row 7", "key 7"); err != nil || !replayed || row.ID != 8 {
		t.Errorf("a key of the dump gives %+v, replayed %t (%v)", row, replayed, err)
	}
	if row := appendRow(t, b, "new", "late"); row.ID != 302 {
		t.Errorf("the next row is %d, want 302", row.ID)
	}
}

func testDamagedDump(t *testing.T, client *clientv3.Client) {
	b := book.New(client, 1)
	appendRow(t, b, "one", "")
	appendRow(t, b, "two", "")
	before := dump(t, b)
	lines := strings.SplitAfter(before, "\n")
	for name, damaged := range map[string]string{
		"empty":         "",
		"no header":     lines[1] + lines[2],
		"cut at a line": lines[0] + lines[1],
		"cut in a line": before[:len(before)-5],
		"other order":   lines[0] + lines[2] + lines[1],
		"a row twice":   lines[0] + lines[1] + lines[1],
		"too much":      before + lines[2],
	} {
		if _, err := b.Load(t.Context(), strings.NewReader(damaged)); err == nil {
			t.Errorf("%s: it was loaded", name)
		}
		if dump(t, b) != before {
			t.Errorf("%s: rows changed", name)
		}
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func testBrokenRestore(t *testing.T, client *clientv3.Client) {
	b := book.New(client, 1)
	appendRow(t, b, "one", "")
	saved := dump(t, b)
	if _, err := client.Put(t.Context(), "/ledger/restoring", ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Append(t.Context(), "lost", ""); !errors.Is(err, book.ErrRestoring) {
		t.Errorf("append gives %v", err)
	}
	if err := b.Ready(t.Context()); !errors.Is(err, book.ErrRestoring) {
		t.Errorf("ready gives %v", err)
	}
	if _, err := b.Load(t.Context(), strings.NewReader(saved)); err != nil {
		t.Fatal(err)
	}
	appendRow(t, b, "two", "")
}

func testMigrate(t *testing.T, client *clientv3.Client) {
	old := book.New(client, 1)
	appendRow(t, old, "abc", "key")
	before := all(t, old)
	if before[0].Digest != "" {
		t.Fatal("schema 1 has digests")
	}
	// A field of a later version.
	value := `{"id":2,"text":"x","time":"2026-01-02T15:04:05Z","later":{"a":[1]}}`
	if _, err := client.Put(t.Context(), "/ledger/rows/0000000000000002", value); err != nil {
		t.Fatal(err)
	}
	b := book.New(client, 2)
	for _, want := range []int{2, 0} {
		if changed, err := b.Migrate(t.Context()); err != nil || changed != want {
			t.Errorf("%d rows changed (%v), want %d", changed, err, want)
		}
	}
	rows := all(t, b)
	if want := "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; rows[0].Digest != want {
		t.Errorf("digest %s", rows[0].Digest)
	}
	rows[0].Digest = ""
	if rows[0] != before[0] {
		t.Errorf("row %+v, was %+v", rows[0], before[0])
	}
	if !strings.Contains(dump(t, b), `"later":{"a":[1]}`) {
		t.Error("a field of another version is lost")
	}
	if changed, err := old.Migrate(t.Context()); err != nil || changed != 0 {
		t.Errorf("schema 1 changes %d rows (%v)", changed, err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("{\"ledger\":1,\"rows\":1}\n{\"id\":1,\"text\":\"a\",\"time\":\"2026-01-02T15:04:05Z\"}\n")
	f.Add("{\"ledger\":1,\"rows\":0}\n")
	f.Add("\n\n{")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := book.ReadDump(strings.NewReader(text))
		if err == nil && rows > int64(strings.Count(text, "\n"))+1 {
			t.Errorf("%d rows in %d lines", rows, strings.Count(text, "\n"))
		}
	})
}
