package discovery

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"io/fs"
	"path"
	"strings"
)

const (
	// maxArchiveHead is how much of an archive is unpacked to see what it is, and
	// maxArchiveEntries how many entries: helm puts Chart.yaml first.
	maxArchiveHead    = 1 << 20
	maxArchiveEntries = 10
)

// isChartArchive says whether a file is a packaged chart, which hooks install
// like a chart in a folder.
func isChartArchive(application fs.FS, name string) bool {
	if !strings.HasSuffix(name, ".tgz") && !strings.HasSuffix(name, ".tar.gz") {
		return false
	}
	file, err := application.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return false
	}
	entries := tar.NewReader(io.LimitReader(unpacked, maxArchiveHead))
	for range maxArchiveEntries {
		header, err := entries.Next()
		if err != nil {
			return false
		}
		if folder, base := path.Split(path.Clean(header.Name)); base == "Chart.yaml" && strings.Count(folder, "/") == 1 {
			return true
		}
	}
	return false
}
