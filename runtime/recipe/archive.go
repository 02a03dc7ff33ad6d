package recipe

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is a file of a layer.
type entry struct {
	name string // without a leading slash
	mode int64
	link string // target of a symbolic link
	file string // contents on the host
	data []byte // contents, if file is empty
	dir  bool
}

// writeEntries writes a tar of the entries in the order of their names, with
// the folders above them, all owned by root and of the given time.
func writeEntries(w io.Writer, entries []entry, modified time.Time) error {
	archive := tar.NewWriter(w)
	for _, e := range withParents(entries) {
		if err := writeEntry(archive, e, modified); err != nil {
			return fmt.Errorf("write %s: %w", e.name, err)
		}
	}
	return archive.Close()
}

func withParents(entries []entry) []entry {
	byName := make(map[string]entry)
	for _, e := range entries {
		byName[e.name] = e
		for parent := path.Dir(e.name); parent != "."; parent = path.Dir(parent) {
			if _, ok := byName[parent]; !ok {
				byName[parent] = entry{name: parent, dir: true, mode: 0o755}
			}
		}
	}
	sorted := make([]entry, 0, len(byName))
	for _, e := range byName {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return sorted
}

func writeEntry(archive *tar.Writer, e entry, modified time.Time) error {
	header := &tar.Header{Name: e.name, Mode: e.mode, ModTime: modified, Format: tar.FormatPAX}
	var contents io.Reader
	switch {
	case e.dir:
		header.Typeflag, header.Name = tar.TypeDir, e.name+"/"
	case e.link != "":
		header.Typeflag, header.Linkname = tar.TypeSymlink, e.link
		header.Mode = 0o777
	case e.file != "":
		file, err := os.Open(e.file)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		header.Typeflag, header.Size, contents = tar.TypeReg, info.Size(), file
	default:
		header.Typeflag, header.Size, contents = tar.TypeReg, int64(len(e.data)), strings.NewReader(string(e.data))
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	if contents == nil {
		return nil
	}
	_, err := io.Copy(archive, contents)
	return err
}

// rootFile is one file of an installed root file system, as readRoot sees it.
type rootFile struct {
	header *tar.Header
	name   string // cleaned, without a leading slash
}

// eachFile calls visit for every file of an uncompressed tar.
func eachFile(archive string, visit func(file rootFile, contents io.Reader) error) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	reader := tar.NewReader(bufio.NewReaderSize(file, 1<<20))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", archive, err)
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		if err := visit(rootFile{header: header, name: name}, reader); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// extractTar unpacks a root file system as the calling user, without devices.
// The archive is our own, but no path of it may leave the folder all the same.
func extractTar(archive, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return eachFile(archive, func(file rootFile, contents io.Reader) error {
		if file.name == "" {
			return nil
		}
		mode := file.header.FileInfo().Mode().Perm() | 0o600
		switch file.header.Typeflag {
		case tar.TypeDir:
			if err := root.MkdirAll(file.name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			return nil
		case tar.TypeSymlink:
			return root.Symlink(file.header.Linkname, file.name)
		case tar.TypeLink:
			return root.Link(strings.TrimPrefix(path.Clean("/"+file.header.Linkname), "/"), file.name)
		case tar.TypeReg:
			return extractFile(root, file.name, mode, contents)
		}
		return nil
	})
}

func extractFile(root *os.Root, name string, mode fs.FileMode, contents io.Reader) error {
	target, err := root.OpenFile(filepath.FromSlash(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, contents)
	if closeErr := target.Close(); err == nil {
		err = closeErr
	}
	return err
}
