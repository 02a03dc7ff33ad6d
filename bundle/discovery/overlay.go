package discovery

import (
	"bytes"
	"io/fs"
	"maps"
)

// Overlay is an application's folder in which some files have other contents,
// such as those that SetImages returned. Files that are not in the folder are
// not added.
func Overlay(application fs.FS, contents map[string][]byte) fs.FS {
	return &overlay{FS: application, contents: maps.Clone(contents)}
}

type overlay struct {
	fs.FS
	contents map[string][]byte
}

// Open opens a file with its other contents, if it has any.
func (o *overlay) Open(name string) (fs.File, error) {
	file, err := o.FS.Open(name)
	contents, ok := o.contents[name]
	if err != nil || !ok {
		return file, err
	}
	return &overlaid{File: file, Reader: bytes.NewReader(contents)}, nil
}

// Stat tells the size of the other contents.
func (o *overlay) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(o.FS, name)
	contents, ok := o.contents[name]
	if err != nil || !ok {
		return info, err
	}
	return resized{FileInfo: info, size: int64(len(contents))}, nil
}

// ReadDir lists a folder; sizes of its entries are those of the folder below.
func (o *overlay) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(o.FS, name) }

type overlaid struct {
	fs.File
	*bytes.Reader
}

// Read reads the other contents.
func (o *overlaid) Read(buffer []byte) (int, error) { return o.Reader.Read(buffer) }

// Stat tells the size of the other contents.
func (o *overlaid) Stat() (fs.FileInfo, error) {
	info, err := o.File.Stat()
	if err != nil {
		return nil, err
	}
	return resized{FileInfo: info, size: o.Reader.Size()}, nil
}

type resized struct {
	fs.FileInfo
	size int64
}

// Size is the size of the other contents.
func (r resized) Size() int64 { return r.size }
