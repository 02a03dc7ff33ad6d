package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFromBuild(t *testing.T) {
	settings := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{
			{Key: "vcs", Value: "git"},
			{Key: "vcs.revision", Value: "0123abcd"},
			{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
			{Key: "vcs.modified", Value: modified},
		}}
	}
	for _, test := range []struct {
		name                 string
		number, commit, date string
		build                *debug.BuildInfo
		want                 Info
	}{
		{
			name: "clean checkout", number: "1.2.3", build: settings("false"),
			want: Info{Version: "1.2.3", Commit: "0123abcd", Date: "2026-01-02T03:04:05Z"},
		},
		{
			name: "changed checkout", number: "1.2.3", build: settings("true"),
			want: Info{Version: "1.2.3", Commit: "0123abcd-dirty", Date: "2026-01-02T03:04:05Z"},
		},
		{
			name: "source archive", number: "1.2.3", build: &debug.BuildInfo{},
			want: Info{Version: "1.2.3", Commit: "unknown", Date: "unknown"},
		},
		{
			name: "no build information", number: "1.2.3",
			want: Info{Version: "1.2.3", Commit: "unknown", Date: "unknown"},
		},
		{
			name: "set at link time", number: "v1.2.3-rc.1", commit: "feed", date: "2026-02-03T04:05:06Z", build: settings("true"),
			want: Info{Version: "1.2.3-rc.1", Commit: "feed", Date: "2026-02-03T04:05:06Z"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			set(t, &Number, test.number)
			set(t, &Commit, test.commit)
			set(t, &Date, test.date)
			test.want.Go = runtime.Version()
			test.want.Platform = runtime.GOOS + "/" + runtime.GOARCH
			if diff := cmp.Diff(test.want, fromBuild(test.build)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func set(t *testing.T, variable *string, value string) {
	t.Helper()
	old := *variable
	*variable = value
	t.Cleanup(func() { *variable = old })
}
