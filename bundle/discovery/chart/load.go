package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
)

const (
	// maxChartSize is how much a chart may be in all, as helm has it.
	maxChartSize = 100 << 20
	// maxLinks is how many symbolic links lead from one to the next.
	maxLinks = 16
)

// load reads a chart from the application's folder as helm reads one from disk,
// except that nothing outside of the application can be reached.
func load(application fs.FS, folder string) (*chart.Chart, *discovery.Problem) {
	l := loader{application: application, folder: folder, rules: ignore.Empty(), budget: maxChartSize}
	if data, err := fs.ReadFile(application, path.Join(folder, ignore.HelmIgnore)); err == nil {
		if l.rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			problem := discovery.Problemf(path.Join(folder, ignore.HelmIgnore), 0, "", "%w", err)
			return nil, &problem
		}
	}
	l.rules.AddDefaults()
	if info, err := fs.Stat(application, folder); err == nil && !info.IsDir() {
		return unpack(application, folder)
	}
	if err := l.read("", 0); err != nil {
		problem := discovery.Problemf(path.Join(folder, l.at), 0, "", "chart cannot be read: %w", err)
		return nil, &problem
	}
	loaded, err := chartloader.LoadFiles(l.files)
	if err != nil {
		problem := discovery.Problemf(path.Join(folder, "Chart.yaml"), 0, "", "chart cannot be read: %w", err)
		return nil, &problem
	}
	return loaded, nil
}

// packed says whether a chart is an archive; discovery has looked into it.
func packed(name string) bool {
	return strings.HasSuffix(name, ".tgz") || strings.HasSuffix(name, ".tar.gz")
}

// unpack reads a packaged chart.
func unpack(application fs.FS, name string) (*chart.Chart, *discovery.Problem) {
	fail := func(err error) (*chart.Chart, *discovery.Problem) {
		problem := discovery.Problemf(name, 0, "", "chart cannot be read: %w", err)
		return nil, &problem
	}
	file, err := application.Open(name)
	if err != nil {
		return fail(reason(err))
	}
	defer file.Close()
	files, err := archive.LoadArchiveFiles(file)
	if err != nil {
		return fail(err)
	}
	loaded, err := chartloader.LoadFiles(files)
	if err != nil {
		return fail(err)
	}
	return loaded, nil
}

// loader reads the files of a chart.
type loader struct {
	application fs.FS
	folder      string
	rules       *ignore.Rules
	budget      int64
	files       []*archive.BufferedFile
	at          string // what is being read
}

// read reads a file or folder of the chart, through symbolic links, which charts
// have for dependencies that several of them share.
func (l *loader) read(name string, links int) error {
	l.at = name
	full := path.Join(l.folder, name)
	info, err := fs.Stat(l.application, full)
	if err != nil {
		return reason(err)
	}
	if name != "" && l.rules.Ignore(name, info) {
		return nil
	}
	if !info.IsDir() {
		return l.file(name, full, info)
	}
	entries, err := fs.ReadDir(l.application, full)
	if err != nil {
		return reason(err)
	}
	for _, entry := range entries {
		deeper := links
		if entry.Type()&fs.ModeSymlink != 0 {
			if deeper++; deeper > maxLinks {
				return errors.New("symbolic links lead around in circles")
			}
		}
		if err := l.read(path.Join(name, entry.Name()), deeper); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) file(name, full string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("neither file nor folder")
	}
	if l.budget -= info.Size(); l.budget < 0 {
		return fmt.Errorf("the chart has more than %d bytes", maxChartSize)
	}
	data, err := fs.ReadFile(l.application, full)
	if err != nil {
		return reason(err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	l.files = append(l.files, &archive.BufferedFile{Name: name, ModTime: info.ModTime(), Data: data})
	return nil
}

// reason is an error without the operation and path that it repeats.
func reason(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}
