package pull

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// FuzzNames looks for lists of images that break the search in them.
func FuzzNames(f *testing.F) {
	f.Add([]byte(`{"manifests": [{"digest": "sha256:00", "annotations": {"org.opencontainers.image.ref.name": "nginx:1"}}, {}]}`), "nginx:1")
	f.Add([]byte(`[{"RepoTags": ["docker.io/library/nginx:1", "<none>:<none>"]}, null]`), "docker.io/nginx:1")
	f.Fuzz(func(t *testing.T, content []byte, reference string) {
		n := named{byName: map[string]listed{}, byDigest: map[v1.Hash]listed{}}
		if images, err := namesOfLayout(content); err == nil {
			for _, image := range images {
				image.source = layoutImage{digest: image.digest}
				n.add(image)
			}
		}
		if tags, err := tagsOf(content); err == nil {
			for _, tag := range tags {
				n.add(listed{name: tag, source: Daemon{Tag: tag}})
			}
		}
		names := Names{sources: []named{n}}
		if source, err := names.Find(reference); source != nil && (err != nil || len(n.byName)+len(n.byDigest) == 0) {
			t.Errorf("found %v, error %v", source, err)
		}
	})
}
