package pull

import "testing"

// FuzzParse looks for manifests that get through and break what comes later.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schemaVersion": 2, "config": {"digest": "sha256:00"}, "layers": [{}]}`))
	f.Add([]byte(`{"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [null]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		read, err := parse(content, "")
		if err != nil {
			return
		}
		if read.MediaType.IsIndex() == read.MediaType.IsImage() || read.MediaType.IsImage() && read.Config == nil {
			t.Errorf("%+v", read)
		}
	})
}
