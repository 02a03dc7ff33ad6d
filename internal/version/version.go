// Package version tells which build a program is, from the information that
// the Go linker records: nothing has to be stamped, and equal sources give
// equal binaries.
package version

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Number is Gravity's own version, a semantic version without a leading "v".
// The three programs share it. A runtime's version is its Kubernetes version
// and has nothing to do with it.
//
// It can be set at link time (-X) by a release; otherwise it is the version
// under development.
var Number = "0.1.0-dev"

// Commit and Date can be set at link time by a build that has no version
// control information of its own; normally they are empty and come from the
// build information.
var (
	Commit string
	Date   string
)

// Info is what `version -o json` prints.
type Info struct {
	// Version is a semantic version without a leading "v".
	Version string `json:"version"`
	// Commit is the full hash of the commit built, with "-dirty" appended when
	// the tree had changes, or "unknown".
	Commit string `json:"commit"`
	// Date is the commit's time (RFC 3339, UTC), never the time of the build,
	// or "unknown".
	Date string `json:"date"`
	// Go is the toolchain, such as "go1.26.8".
	Go string `json:"go"`
	// Platform is GOOS/GOARCH.
	Platform string `json:"platform"`
}

// Get returns the information of the running program.
func Get() Info {
	build, _ := debug.ReadBuildInfo()
	return fromBuild(build)
}

func fromBuild(build *debug.BuildInfo) Info {
	info := Info{
		Version:  strings.TrimPrefix(Number, "v"),
		Commit:   Commit,
		Date:     Date,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	var dirty bool
	if build != nil {
		for _, setting := range build.Settings {
			switch {
			case setting.Key == "vcs.revision" && info.Commit == "":
				info.Commit = setting.Value
			case setting.Key == "vcs.time" && info.Date == "":
				info.Date = setting.Value
			case setting.Key == "vcs.modified":
				dirty = setting.Value == "true"
			}
		}
	}
	if info.Commit == "" {
		info.Commit = "unknown"
	} else if dirty && Commit == "" {
		info.Commit += "-dirty"
	}
	if info.Date == "" {
		info.Date = "unknown"
	}
	return info
}
