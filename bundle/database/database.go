// Package database is gravity.db, the index of a bundle for those who look a
// package up by its name: a bbolt file with the bucket "packages", from names
// such as "gravity.local/runtime:1.37.2" to JSON, and the bucket "blobs", from
// digests to sizes in decimal digits. It is derived from the bundle's
// index.json, which is the truth, and has no byte that is not (S02).
package database

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.etcd.io/bbolt"
)

// MaxSize is how large a database may be, in bytes.
const MaxSize = 256 << 20

// pageSize is fixed, since bbolt would take that of the machine's memory.
const pageSize = 4096

var (
	packagesBucket = []byte("packages")
	blobsBucket    = []byte("blobs")
)

// Package is what the database tells of a package.
type Package struct {
	// Name is the package's full name with its tag or digest.
	Name string `json:"-"`
	// Version is the version of an application or a runtime; images have none.
	Version string `json:"version,omitempty"`
	// Type is the role of the package: application, image, runtime, sbom.
	Type string `json:"type"`
	// Digest is that of the package's manifest or index.
	Digest v1.Hash `json:"digest"`
	// Size is the sum of the sizes of all blobs of the package, in bytes. Blobs
	// that packages share count in each.
	Size int64 `json:"size"`
	// Labels are further properties, by name.
	Labels map[string]string `json:"labels,omitempty"`
}

// Contents is all that a database has.
type Contents struct {
	// Packages are in the order of their names.
	Packages []Package
	// Blobs maps the digest of every blob to its size in bytes.
	Blobs map[v1.Hash]int64
}

// Render returns the file of a database. Equal contents give equal bytes. Two
// packages of one name are an error.
func Render(contents Contents) ([]byte, error) {
	var file *os.File
	db, err := bbolt.Open("gravity.db", 0o600, &bbolt.Options{
		PageSize: pageSize, NoSync: true, NoGrowSync: true,
		FreelistType: bbolt.FreelistArrayType, Timeout: time.Minute,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) {
			var err error
			file, err = unnamedFile()
			return file, err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("create gravity.db: %w", err)
	}
	defer db.Close()
	// A transaction writes the buckets that it changed in no particular order,
	// so each has its own.
	for _, fill := range []func(*bbolt.Tx) error{contents.putBlobs, contents.putPackages} {
		if err := db.Update(fill); err != nil {
			return nil, fmt.Errorf("create gravity.db: %w", err)
		}
	}
	content, err := io.ReadAll(io.NewSectionReader(file, 0, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("create gravity.db: %w", err)
	}
	if len(content) > MaxSize {
		return nil, fmt.Errorf("create gravity.db: more than %d bytes", MaxSize)
	}
	return content, nil
}

// unnamedFile makes a file that is gone when it is closed, or the process
// killed: bbolt needs one, to map it into memory.
func unnamedFile() (*os.File, error) {
	file, err := os.CreateTemp("", "gravity.db-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// putBlobs writes in the order of the keys, so that pages come out full and
// alike; so does putPackages.
func (c *Contents) putBlobs(tx *bbolt.Tx) error {
	bucket, err := tx.CreateBucket(blobsBucket)
	if err != nil {
		return err
	}
	sizes := make(map[string]int64, len(c.Blobs))
	for digest, size := range c.Blobs {
		sizes[digest.String()] = size
	}
	for _, digest := range slices.Sorted(maps.Keys(sizes)) {
		if err := bucket.Put([]byte(digest), strconv.AppendInt(nil, sizes[digest], 10)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Contents) putPackages(tx *bbolt.Tx) error {
	bucket, err := tx.CreateBucket(packagesBucket)
	if err != nil {
		return err
	}
	byName := make(map[string]Package, len(c.Packages))
	for _, listed := range c.Packages {
		if _, ok := byName[listed.Name]; ok {
			return fmt.Errorf("package %s is listed twice", listed.Name)
		}
		byName[listed.Name] = listed
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		value, err := json.Marshal(byName[name])
		if err != nil {
			return err
		}
		if err := bucket.Put([]byte(name), value); err != nil {
			return fmt.Errorf("package %s: %w", name, err)
		}
	}
	return nil
}

// Read reads a database from a file, which bbolt maps into memory and locks. A
// file that did not come out of a bundle whose digests were checked must not be
// given to it: bbolt trusts its files, and a forged one may crash the program.
func Read(path string) (contents Contents, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Minute})
	if err != nil {
		return Contents{}, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	contents.Blobs = make(map[v1.Hash]int64)
	err = db.View(func(tx *bbolt.Tx) error {
		packages, blobs := tx.Bucket(packagesBucket), tx.Bucket(blobsBucket)
		if packages == nil || blobs == nil {
			return errors.New("not the index of a bundle")
		}
		if err := packages.ForEach(contents.addPackage); err != nil {
			return err
		}
		return blobs.ForEach(contents.addBlob)
	})
	if err != nil {
		return Contents{}, fmt.Errorf("read %s: %w", path, err)
	}
	return contents, nil
}

func (c *Contents) addPackage(name, value []byte) error {
	listed := Package{Name: string(name)}
	if err := json.Unmarshal(value, &listed); err != nil {
		return fmt.Errorf("package %q: %w", name, err)
	}
	c.Packages = append(c.Packages, listed)
	return nil
}

func (c *Contents) addBlob(name, value []byte) error {
	digest, err := v1.NewHash(string(name))
	if err != nil {
		return fmt.Errorf("blob %q: %w", name, err)
	}
	size, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return fmt.Errorf("blob %s: size %q", digest, value)
	}
	c.Blobs[digest] = size
	return nil
}
