package cachedir

import (
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	for _, test := range []struct {
		name, own, xdg, home string
		want                 string // empty for an error
	}{
		{"own variable", "/data/gravity", "/xdg", "/home/me", "/data/gravity/runtimes"},
		{"cache folder", "", "/xdg", "/home/me", "/xdg/gravity/runtimes"},
		{"home", "", "", "/home/me", "/home/me/.cache/gravity/runtimes"},
		{"own variable without a home", "/data", "", "", "/data/runtimes"},
		{"nothing", "", "", "", ""},
		{"relative cache folder", "", "cache", "/home/me", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(Variable, test.own)
			t.Setenv("XDG_CACHE_HOME", test.xdg)
			t.Setenv("HOME", test.home)
			got, err := Path("runtimes")
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("path %q (%v), want %q", got, err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), "set "+Variable) {
				t.Errorf("error %q does not say what to set", err)
			}
		})
	}
}
