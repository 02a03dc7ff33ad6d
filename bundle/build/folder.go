package build

import (
	"archive/tar"
	"context"
	"crypto/sha256"
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

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// leftOut are folders, or files in their place, that are no part of an
// application.
var leftOut = []string{".git", ".hg", ".svn"}

// packFolder writes the application's folder as tar and zstd to a file without
// a name in a folder. Of files it keeps names, contents and whether they are
// executable; links stay links. It returns what was left out.
func (a *Application) packFolder(ctx context.Context, scratch, output string) (*unnamedBlob, []string, error) {
	file, err := unnamedFile(scratch)
	if err != nil {
		return nil, nil, fmt.Errorf("pack the application's folder: %w", err)
	}
	packed := &packer{application: a, ctx: ctx, output: output}
	blob, err := packed.pack(file)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("pack the application's folder: %w", err), file.Close())
	}
	return blob, packed.skipped, nil
}

// packer packs one folder.
type packer struct {
	application *Application
	ctx         context.Context //nolint:containedctx // one call's
	archive     *tar.Writer
	// output is the bundle that is being made, which may lie in the folder.
	output  string
	skipped []string
}

func (p *packer) pack(file *os.File) (*unnamedBlob, error) {
	hasher := sha256.New()
	// One block after another: the result must not depend on the processors.
	compressed, err := zstd.NewWriter(io.MultiWriter(file, hasher), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	p.archive = tar.NewWriter(compressed)
	if err := fs.WalkDir(p.application.files, ".", p.visit); err != nil {
		return nil, errors.Join(err, compressed.Close())
	}
	if err := errors.Join(p.archive.Close(), compressed.Close()); err != nil {
		return nil, err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", hasher.Sum(nil))}
	return &unnamedBlob{File: file, Descriptor: v1.Descriptor{
		MediaType: bundle.ResourcesMediaType, Digest: digest, Size: size,
	}}, nil
}

// visit adds one file.
func (p *packer) visit(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	if name == "." {
		return nil
	}
	switch mode := entry.Type(); {
	case mode.IsDir() && slices.Contains(leftOut, entry.Name()):
		p.skipped = append(p.skipped, name+"/")
		return fs.SkipDir
	case mode.IsDir() && name == p.application.cache:
		p.skipped = append(p.skipped, name+"/ (the cache)")
		return fs.SkipDir
	case mode.IsDir() && p.isTagged(name):
		p.skipped = append(p.skipped, name+"/ (a cache)")
		return fs.SkipDir
	case mode.IsDir():
		return p.archive.WriteHeader(header(name+"/", tar.TypeDir, 0o755))
	case mode&fs.ModeSymlink != 0:
		return p.link(name)
	case !mode.IsRegular():
		p.skipped = append(p.skipped, name+" (neither file nor folder)")
		return nil
	case slices.Contains(leftOut, entry.Name()):
		p.skipped = append(p.skipped, name) // as worktrees of git have it
		return nil
	case p.isBundle(name):
		p.skipped = append(p.skipped, name+" (a bundle)")
		return nil
	}
	return p.file(name)
}

// isTagged tells whether a folder says that it is a cache, as tele's own do
// (https://bford.info/cachedir).
func (p *packer) isTagged(name string) bool {
	file, err := p.application.files.Open(path.Join(name, pull.TagName))
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, len(pull.TagSignature))
	_, err = io.ReadFull(file, head)
	return err == nil && string(head) == pull.TagSignature
}

// isBundle tells whether a file is a bundle: builds leave them in the folder,
// and the next one must not contain the one before.
func (p *packer) isBundle(name string) bool {
	full := filepath.Join(p.application.folder, filepath.FromSlash(name))
	if same(full, p.output) {
		return true
	}
	opened, err := bundle.Open(full) // whatever it is called: -o takes any name
	if err != nil {
		return false
	}
	_ = opened.Close()
	return true
}

// inside returns the path of the cache's folder in the application's folder, or
// nothing if it lies elsewhere. Both are there. The cache is no part of the
// application, whose bundle must not depend on the builds before.
func inside(application, cache string) (string, error) {
	paths := []string{application, cache}
	for i, path := range paths {
		full, err := filepath.Abs(path)
		if err == nil {
			paths[i], err = filepath.EvalSymlinks(full)
		}
		if err != nil {
			return "", fmt.Errorf("find the folder %s: %w", path, err)
		}
	}
	relative, err := filepath.Rel(paths[0], paths[1])
	switch {
	case err != nil || !filepath.IsLocal(relative):
		return "", nil //nolint:nilerr // other volumes have no path between them
	case relative == ".":
		return "", cli.WithHint(fmt.Errorf("the cache cannot be the application's folder %s", application),
			"name another folder by --state-dir")
	}
	return filepath.ToSlash(relative), nil
}

// same tells whether two paths are one file.
func same(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// link adds a symbolic link, which must stay in the folder.
func (p *packer) link(name string) error {
	target, err := p.application.root.Readlink(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	target = filepath.ToSlash(target)
	inside := path.Join(path.Dir(name), target)
	if path.IsAbs(target) || inside == ".." || strings.HasPrefix(inside, "../") {
		return cli.WithHint(fmt.Errorf("link %s leads to %s, out of the application's folder", name, target),
			"copy what it leads to into the folder, or remove the link")
	}
	link := header(name, tar.TypeSymlink, 0o777)
	link.Linkname = target
	return p.archive.WriteHeader(link)
}

func (p *packer) file(name string) error {
	file, err := p.application.files.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	added := header(name, tar.TypeReg, mode)
	added.Size = info.Size()
	if err := p.archive.WriteHeader(added); err != nil {
		return err
	}
	n, err := io.Copy(p.archive, io.LimitReader(file, info.Size()))
	if err == nil && n != info.Size() {
		err = errors.New("it became shorter while it was read")
	}
	if err != nil {
		return fmt.Errorf("file %s: %w", name, err)
	}
	return nil
}

// header has nothing that depends on who builds, when and where.
func header(name string, kind byte, mode int64) *tar.Header {
	return &tar.Header{Name: name, Typeflag: kind, Mode: mode, ModTime: time.Unix(0, 0)}
}
