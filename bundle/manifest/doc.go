// Package manifest reads the application manifest (app.yaml): what a bundle is
// called, which Kubernetes it runs on, what nodes must have, which hooks run.
//
// Parse reports everything that is wrong at once, each problem with file,
// line, column, the path of the field and what to write instead. What the
// original Gravity took and today's Kubernetes has no use for is kept and
// reported as a warning. The file may have any name (S03).
//
// A Manifest is a value: it is read by its fields and never changed. Vendor
// and With return new manifests in which values were replaced; Encode writes
// the text again, with its comments.
//
// # Limits
//
// A manifest may come from a bundle that nobody has verified yet. Larger,
// deeper or more numerous than the Max constants say is refused, before it
// costs memory or time; aliases count as often as they are used. One file is
// one YAML document without duplicate keys.
package manifest

//go:generate go run ./internal/schemagen -types . -o ../../docs/manifest.schema.json
