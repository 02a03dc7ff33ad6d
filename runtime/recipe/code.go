package recipe

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
)

// code is this package's own source: what a step writes depends on it, so it
// is part of the key of the steps that do not run a pinned program with
// recorded arguments.
//
//go:embed *.go
var code embed.FS

// codeOf hashes the named source files of this package.
func codeOf(names ...string) string {
	sum := sha256.New()
	for _, name := range names {
		content, err := code.ReadFile(name)
		if err != nil {
			panic("recipe: " + err.Error()) // a misspelt constant, found by any test
		}
		_, _ = sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
