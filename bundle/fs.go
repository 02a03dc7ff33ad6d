package bundle

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// FS returns the bundle as a file system, with the names and modes that it has
// when it is extracted. Files are checked when they are read to the end.
func (b *Bundle) FS() fs.FS {
	tree := &tree{bundle: b, nodes: map[string]*treeNode{".": {mode: fs.ModeDir | 0o755}}}
	for _, name := range folders {
		tree.add(name, &treeNode{mode: fs.ModeDir | 0o755})
	}
	for _, entry := range b.Entries() {
		tree.add(entry.Name, &treeNode{mode: fs.FileMode(entry.Mode), size: entry.Size, digest: entry.Digest})
	}
	index, _ := b.store.stat(NameIndex)
	tree.add(NameIndex, &treeNode{mode: 0o644, size: index.Size, digest: b.digest})
	if content := b.signatures.Encode(); content != nil {
		tree.add(NameSignature, &treeNode{mode: 0o644, size: int64(len(content)), digest: hashOf(content)})
	}
	tree.add(NameBlobs, &treeNode{mode: 0o644, size: int64(len(b.rawTable)), digest: hashOf(b.rawTable)})
	for _, row := range b.table.rows {
		tree.add(blobName(row.hex), &treeNode{mode: 0o644, size: row.size, digest: row.hash()})
	}
	for _, node := range tree.nodes {
		slices.SortFunc(node.children, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return tree
}

// tree is a bundle as a file system.
type tree struct {
	bundle *Bundle
	nodes  map[string]*treeNode
}

// treeNode is a file or a folder; it is its own fs.FileInfo.
type treeNode struct {
	name     string
	mode     fs.FileMode
	size     int64
	digest   v1.Hash
	children []fs.DirEntry
}

func (n *treeNode) Name() string       { return n.name }
func (n *treeNode) Size() int64        { return n.size }
func (n *treeNode) Mode() fs.FileMode  { return n.mode }
func (n *treeNode) ModTime() time.Time { return time.Time{} }
func (n *treeNode) IsDir() bool        { return n.mode.IsDir() }
func (n *treeNode) Sys() any           { return nil }

func (t *tree) add(name string, node *treeNode) {
	node.name = path.Base(name)
	t.nodes[name] = node
	parent := t.nodes[path.Dir(name)]
	parent.children = append(parent.children, fs.FileInfoToDirEntry(node))
}

// Open opens a file or a folder.
func (t *tree) Open(name string) (fs.File, error) {
	node, ok := t.nodes[name]
	switch {
	case !fs.ValidPath(name):
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	case !ok:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case name == ".":
		node = &treeNode{name: ".", mode: node.mode, children: node.children}
	}
	if node.IsDir() {
		return &openFolderNode{treeNode: node, rest: node.children}, nil
	}
	blob, err := t.bundle.store.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFileNode{verified: verified{newChecked(blob, name, node.digest)}, node: node}, nil
}

// openFileNode is an open file.
type openFileNode struct {
	verified
	node *treeNode
}

func (f *openFileNode) Stat() (fs.FileInfo, error) { return f.node, nil }

// openFolderNode is an open folder.
type openFolderNode struct {
	*treeNode
	rest []fs.DirEntry
}

func (f *openFolderNode) Stat() (fs.FileInfo, error) { return f.treeNode, nil }
func (f *openFolderNode) Close() error               { return nil }

func (f *openFolderNode) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.name, Err: errors.New("is a directory")}
}

func (f *openFolderNode) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(f.rest)
	} else if len(f.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.rest))
	listed := slices.Clone(f.rest[:n])
	f.rest = f.rest[n:]
	return listed, nil
}
