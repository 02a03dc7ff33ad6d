package summary

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// Compare tells how two bundles differ. It reads the applications' folders if
// they differ, and no other layers.
func Compare(ctx context.Context, before, after *bundle.Bundle) (*report.Difference, error) {
	difference := &report.Difference{
		Identical: before.Digest() == after.Digest(),
		Old:       side(before),
		New:       side(after),
		Embedded:  compareNames(embedded(before), embedded(after)),
		Images:    compareImages(before.Index().Images, after.Index().Images),
		Entries:   compareNames(entryDigests(before), entryDigests(after)),
	}
	known := before.Blobs()
	for digest, size := range after.Blobs() {
		if _, ok := known[digest]; !ok {
			difference.NewBlobs.Count++
			difference.NewBlobs.Size += size
		}
	}
	difference.NewSize = difference.NewBlobs.Size
	old := before.Index().Entries
	for name, entry := range after.Index().Entries {
		if old[name].Digest != entry.Digest {
			difference.NewSize += entry.Size
		}
	}
	var err error
	if difference.Files, err = compareFolders(ctx, before, after); err != nil {
		return nil, fmt.Errorf("compare folders of applications: %w", err)
	}
	return difference, nil
}

func side(b *bundle.Bundle) report.Side {
	index := b.Index()
	described := report.Side{
		Name: index.Name, Version: index.Version, Platform: index.Platform.String(),
		Digest: b.Digest().String(), Size: b.Size(),
	}
	if len(index.Runtimes) > 0 {
		described.Runtime = index.Runtimes[0].Version
	}
	return described
}

// embedded has the digests of embedded runtimes by version.
func embedded(b *bundle.Bundle) map[string]string {
	digests := make(map[string]string)
	for _, listed := range b.Index().Runtimes {
		if listed.Embedded {
			digests[listed.Version] = listed.Descriptor.Digest.String()
		}
	}
	return digests
}

// entryDigests has the digests of entries by name.
func entryDigests(b *bundle.Bundle) map[string]string {
	digests := make(map[string]string)
	for _, entry := range b.Entries() {
		digests[entry.Name] = entry.Digest.String()
	}
	return digests
}

// compareNames compares digests by name.
func compareNames(before, after map[string]string) report.Names {
	names := report.Names{Added: []string{}, Removed: []string{}, Changed: []string{}}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		switch digest, ok := before[name]; {
		case !ok:
			names.Added = append(names.Added, name)
		case digest != after[name]:
			names.Changed = append(names.Changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[name]; !ok {
			names.Removed = append(names.Removed, name)
		}
	}
	return names
}

// compareImages compares images by reference. One that went and one that came
// are a change if they are the only such ones of a repository.
func compareImages(before, after []bundle.Image) report.ImageChanges {
	changes := report.ImageChanges{Added: []string{}, Removed: []string{}, Changed: []report.ImageChange{}}
	was, is := imageDigests(before), imageDigests(after)
	gone, came := make(map[string][]string), make(map[string][]string)
	for _, image := range before {
		if _, ok := is[image.Reference]; !ok {
			gone[repository(image.Reference)] = append(gone[repository(image.Reference)], image.Reference)
		}
	}
	for _, image := range after {
		digest, ok := was[image.Reference]
		switch {
		case !ok:
			came[repository(image.Reference)] = append(came[repository(image.Reference)], image.Reference)
		case digest == image.Descriptor.Digest:
			changes.Unchanged++
		default:
			changes.Changed = append(changes.Changed, imageChange(image.Reference, image.Reference, was, is))
		}
	}
	for name, references := range came {
		if len(references) == 1 && len(gone[name]) == 1 {
			changes.Changed = append(changes.Changed, imageChange(gone[name][0], references[0], was, is))
			delete(gone, name)
			continue
		}
		changes.Added = append(changes.Added, references...)
	}
	for _, references := range gone {
		changes.Removed = append(changes.Removed, references...)
	}
	slices.Sort(changes.Added)
	slices.Sort(changes.Removed)
	slices.SortFunc(changes.Changed, func(a, b report.ImageChange) int { return strings.Compare(a.New, b.New) })
	return changes
}

func imageChange(before, after string, was, is map[string]v1.Hash) report.ImageChange {
	return report.ImageChange{
		Old: before, New: after, OldDigest: was[before].String(), NewDigest: is[after].String(),
	}
}

func imageDigests(images []bundle.Image) map[string]v1.Hash {
	digests := make(map[string]v1.Hash, len(images))
	for _, image := range images {
		digests[image.Reference] = image.Descriptor.Digest
	}
	return digests
}

// repository is a reference without tag and digest.
func repository(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	return name
}
