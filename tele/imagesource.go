package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// daemonPrefix begins the name of a daemon; the path of its socket may follow.
const daemonPrefix = "docker-daemon:"

// imageSources are the sources that --images-from names, and after them the
// layout of the images that were built here: those have names of a host that
// nobody else has, unless a mirror stands for it.
func imageSources(texts []string, mirrors map[string][]string) ([]pull.Source, error) {
	var sources []pull.Source
	for _, text := range texts {
		source, err := imageSource(text)
		if err != nil {
			return nil, cli.WithHint(fmt.Errorf("--images-from: %w", err),
				"name the folder of an OCI layout, a tar of 'docker save', or %s[SOCKET]", daemonPrefix)
		}
		sources = append(sources, source)
	}
	if len(mirrors[runtime.Host]) > 0 {
		return sources, nil
	}
	built, err := cachedir.Path(filepath.Join("images", "layout"))
	if err == nil && isLayout(built) {
		sources = append(sources, pull.Layout{Folder: built})
	}
	return sources, nil
}

// imageSource finds out what a text names. The prefixes are those of skopeo.
func imageSource(text string) (pull.Source, error) {
	if socket, ok := strings.CutPrefix(text, daemonPrefix); ok {
		return pull.Daemon{Socket: socket}, nil
	}
	path := strings.TrimPrefix(strings.TrimPrefix(text, "oci:"), "docker-archive:")
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.Mode().IsRegular():
		return pull.Archive{File: path}, nil
	case isLayout(path):
		return pull.Layout{Folder: path}, nil
	}
	return nil, fmt.Errorf("%s is neither an OCI layout nor a docker-archive", path)
}

func isLayout(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "oci-layout"))
	return err == nil
}
