package build

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/sbom"
)

// addSBOM adds the bill of materials.
func (b *builder) addSBOM(ctx context.Context) error {
	contents := sbom.Contents{
		Name: b.contents.Name, Version: b.contents.Version, Created: b.options.Created,
		Images: b.contents.Images, Runtimes: b.contents.Runtimes, Source: b.sources,
	}
	if b.options.Packages {
		contents.Scanner = &sbom.Scanner{Source: b.sources, Cache: filepath.Join(b.options.StateDir, "packages")}
	}
	if b.contents.Gravity != nil {
		file, err := os.Open(b.options.Gravity)
		if err != nil {
			return fmt.Errorf("bill of materials: %w", err)
		}
		defer file.Close()
		info, err := buildinfo.Read(file)
		if err != nil {
			return fmt.Errorf("bill of materials: %s: %w", b.options.Gravity, err)
		}
		contents.Gravity = &sbom.Program{Version: info.Main.Version, Digest: b.contents.Gravity.Digest, File: file}
	}
	document, err := sbom.New(ctx, contents)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := document.Write(&text); err != nil {
		return fmt.Errorf("bill of materials: %w", err)
	}
	made := bundle.Memory{}
	descriptor := made.Add(text.Bytes())
	b.contents.SBOM = &descriptor
	b.contents.Source = append(bundle.Sources{made}, b.sources...)
	return nil
}
