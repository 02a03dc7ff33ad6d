// Package document reads streams of YAML and JSON documents from files that
// nobody has vouched for: every error names a line, and what would take
// unreasonable time or memory to look at is refused before it is looked at.
package document
