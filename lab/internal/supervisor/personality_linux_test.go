package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWithBlock(t *testing.T) {
	first := withBlock("127.0.0.1 localhost\n", "10.1.1.1 one\n")
	want := "127.0.0.1 localhost\n" + hostsBegin + "10.1.1.1 one\n" + hostsEnd
	if first != want {
		t.Fatalf("appended:\n%s", first)
	}
	edited := first + "10.2.2.2 own\n"
	if got, want := withBlock(edited, "10.1.1.1 one\n10.1.1.2 two\n"),
		"127.0.0.1 localhost\n"+hostsBegin+"10.1.1.1 one\n10.1.1.2 two\n"+hostsEnd+"10.2.2.2 own\n"; got != want {
		t.Errorf("replaced:\n%s\nwant:\n%s", got, want)
	}
	if got := withBlock(edited, "10.1.1.1 one\n"); got != edited {
		t.Errorf("replaced by the same:\n%s", got)
	}
}

func TestLookup(t *testing.T) {
	passwd := filepath.Join(t.TempDir(), "passwd")
	content := "root:x:0:0:root:/root:/bin/bash\nshort:x:1\nadmin:x:1000:1001::/home/admin:/bin/bash\nbad:x:a:b::/:/bin/sh\n"
	if err := os.WriteFile(passwd, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	home, uid, gid, err := lookup(passwd, "admin")
	if home != "/home/admin" || uid != 1000 || gid != 1001 || err != nil {
		t.Errorf("admin = %s, %d, %d, %v", home, uid, gid, err)
	}
	for _, user := range []string{"short", "bad", "nobody"} {
		if _, _, _, err := lookup(passwd, user); err == nil {
			t.Errorf("%s is found", user)
		}
	}
}

func TestTailOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "console")
	if got := tailOf(file, 2); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	if err := os.WriteFile(file, []byte("one\r\n\ntwo  \nthree\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := tailOf(file, 2), "two | three"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
