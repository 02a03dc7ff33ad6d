package build

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// openBases opens the bundles that the site has. Their blobs are used, too, where
// nothing else has them.
func (b *builder) openBases() error {
	for _, path := range b.options.Bases {
		if samePath(path, b.result.Path) {
			return fmt.Errorf("--base: %s is the file to write", path)
		}
		base, err := bundle.Open(path)
		if err != nil {
			return fmt.Errorf("--base: %w", err)
		}
		b.contents.Bases = append(b.contents.Bases, base)
		b.sources = append(b.sources, base)
	}
	return nil
}

func (b *builder) closeBases() {
	var err error
	for _, base := range b.contents.Bases {
		err = errors.Join(err, base.Close())
	}
	_ = err // they were only read
}

// samePath tells whether two paths are of one file.
func samePath(a, b string) bool {
	left, errLeft := filepath.Abs(a)
	right, errRight := filepath.Abs(b)
	return errLeft == nil && errRight == nil && left == right
}
