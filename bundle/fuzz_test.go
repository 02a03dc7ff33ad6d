package bundle_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
)

// FuzzOpen opens, lists, reads and verifies whatever comes.
func FuzzOpen(f *testing.F) {
	contents := complete()
	contents.Images, contents.Resources = contents.Images[2:3], nil
	f.Add(readFile(f, write(f, contents)))
	contents.Runtimes, contents.Gravity, contents.Images = nil, nil, nil
	f.Add(readFile(f, write(f, contents)))
	f.Add(readFile(f, writeSigned(f, contents, generate(f, signature.Ed25519))))
	f.Fuzz(func(t *testing.T, content []byte) {
		opened, err := bundle.OpenReaderAt(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		defer opened.Close()
		for _, entry := range opened.Entries() {
			if reader, err := opened.OpenEntry(entry.Name); err == nil {
				_, _ = io.Copy(io.Discard, reader)
			}
		}
		if _, err := opened.Verify(t.Context(), bundle.Options{}); err != nil {
			t.Error(err)
		}
	})
}
