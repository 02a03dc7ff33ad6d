// Command schemagen writes the JSON schema of the application manifest from its
// Go types: names and rules from their tags, descriptions from their comments.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	types := flag.String("types", ".", "the folder of the manifest's Go types")
	output := flag.String("o", "manifest.schema.json", "the file to write")
	flag.Parse()
	if err := run(*types, *output); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(types, output string) error {
	text, err := generate(types)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	return os.WriteFile(output, text, 0o644)
}
