package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// printSummary writes a summary for a person: what it is, then a table for each
// kind of thing that it has.
func printSummary(out io.Writer, b *report.Bundle) error {
	table := newTable(out)
	printApplication(table, b)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, part := range []func(io.Writer, *report.Bundle){
		printRuntimes, printImages, printProfiles, printFlavors, printEntries,
	} {
		part(table, b)
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func printApplication(table io.Writer, b *report.Bundle) {
	field := func(name, value string) {
		if value != "" {
			row(table, name+":", value)
		}
	}
	field("Application", b.Name+" "+b.Version)
	field("Description", oneLine(b.Description))
	field("Author", oneLine(b.Author))
	field("Created", b.Created)
	field("Kind", b.Kind)
	field("Platform", b.Platform)
	field("Kubernetes", kubernetes(b.Runtimes))
	field("Size", fmt.Sprintf("%s in %s", formatSize(b.Size), count(b.Blobs.Count, "blob")))
	for _, base := range b.Bases {
		field("Needs", fmt.Sprintf("%s of the bundle %s %s (%s), %s", count(base.Blobs.Count, "blob"), base.Name, base.Version,
			formatSize(base.Blobs.Size), base.Digest))
	}
	if b.Folder != nil {
		field("Folder", formatSize(b.Folder.Size))
	}
	field("Hooks", strings.Join(b.Hooks, ", "))
	field("Digest", b.Digest)
	for _, one := range b.Signatures {
		field("Signed by", one.Key+" ("+one.Algorithm+")")
	}
}

// kubernetes names the target and the steps of upgrades to it.
func kubernetes(runtimes []report.Runtime) string {
	var target string
	var embedded []string
	for _, listed := range runtimes {
		if listed.Embedded {
			embedded = append(embedded, listed.Version)
		} else {
			target = listed.Version
		}
	}
	if len(embedded) == 0 {
		return target
	}
	return fmt.Sprintf("%s (upgrades step through %s)", target, strings.Join(embedded, ", "))
}

func printRuntimes(table io.Writer, b *report.Bundle) {
	if len(b.Runtimes) == 0 {
		return
	}
	row(table, "\nRUNTIME", "ROLE", "SIZE", "OWN", "DIGEST")
	for _, listed := range b.Runtimes {
		role := "target"
		if listed.Embedded {
			role = "embedded"
		}
		row(table, listed.Version, role, formatSize(listed.Size), formatSize(listed.UniqueSize), listed.Digest)
	}
}

func printImages(table io.Writer, b *report.Bundle) {
	if len(b.Images) == 0 {
		return
	}
	row(table, "\nIMAGE", "PLATFORMS", "SIZE", "OWN", "DIGEST")
	for _, image := range b.Images {
		var platforms []string
		for _, platform := range image.Platforms {
			platforms = append(platforms, platform.Name)
		}
		if image.Sparse {
			platforms = append(platforms, "(others left out)")
		}
		row(table, image.Reference, strings.Join(platforms, " "),
			formatSize(image.Size), formatSize(image.UniqueSize), image.Digest)
	}
	if len(b.Images) > 1 {
		row(table, count(len(b.Images), "image"), "", formatSize(b.ImagesSize))
	}
}

func printProfiles(table io.Writer, b *report.Bundle) {
	if len(b.NodeProfiles) == 0 {
		return
	}
	row(table, "\nNODE PROFILE", "CPUS", "RAM", "DESCRIPTION")
	for _, profile := range b.NodeProfiles {
		cpus, ram := "any", "any"
		if profile.MinCPUs > 0 {
			cpus = fmt.Sprintf("%d+", profile.MinCPUs)
		}
		if profile.MinRAM != "" {
			ram = profile.MinRAM + "+"
		}
		row(table, profile.Name, cpus, ram, oneLine(profile.Description))
	}
}

func printFlavors(table io.Writer, b *report.Bundle) {
	if len(b.Flavors) == 0 {
		return
	}
	row(table, "\nFLAVOR", "NODES", "DESCRIPTION")
	for _, flavor := range b.Flavors {
		var nodes []string
		for _, some := range flavor.Nodes {
			nodes = append(nodes, fmt.Sprintf("%d %s", some.Count, some.Profile))
		}
		row(table, flavor.Name, strings.Join(nodes, ", "), oneLine(flavor.Description))
	}
}

func printEntries(table io.Writer, b *report.Bundle) {
	row(table, "\nENTRY", "MODE", "SIZE")
	for _, entry := range b.Entries {
		row(table, entry.Name, entry.Mode, formatSize(entry.Size))
	}
}

// oneLine puts a text of a manifest on one line, where it cannot disturb a table
// or a terminal.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }), " ")
}
