package summary

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func TestRepository(t *testing.T) {
	for reference, want := range map[string]string{
		"docker.io/library/nginx:1.27":             "docker.io/library/nginx",
		"localhost:5000/nginx":                     "localhost:5000/nginx",
		"localhost:5000/nginx:1@sha256:0123456789": "localhost:5000/nginx",
		"quay.example/web@sha256:0123456789":       "quay.example/web",
	} {
		if got := repository(reference); got != want {
			t.Errorf("repository(%s) = %s, want %s", reference, got, want)
		}
	}
}

// images makes images of words REFERENCE=DIGIT, where the digit fills the
// digest.
func images(text string) []bundle.Image {
	var made []bundle.Image
	for word := range strings.FieldsSeq(text) {
		reference, digit, _ := strings.Cut(word, "=")
		made = append(made, bundle.Image{Reference: reference, Descriptor: v1.Descriptor{Digest: digest(digit)}})
	}
	return made
}

func digest(digit string) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(digit, 64)}
}

func TestCompareImages(t *testing.T) {
	change := func(before, after, was, is string) report.ImageChange {
		return report.ImageChange{Old: before, New: after, OldDigest: digest(was).String(), NewDigest: digest(is).String()}
	}
	for name, test := range map[string]struct {
		before, after string
		want          report.ImageChanges
	}{
		"nothing": {"a:1=1", "a:1=1", report.ImageChanges{Unchanged: 1}},
		"contents": {"a:1=1", "a:1=2", report.ImageChanges{
			Changed: []report.ImageChange{change("a:1", "a:1", "1", "2")},
		}},
		"tag": {"a:1=1 b:1=3", "a:2=2 b:1=3", report.ImageChanges{
			Changed: []report.ImageChange{change("a:1", "a:2", "1", "2")}, Unchanged: 1,
		}},
		"one of two tags": {"a:1=1 a:2=2", "a:1=1 a:3=3", report.ImageChanges{
			Changed: []report.ImageChange{change("a:2", "a:3", "2", "3")}, Unchanged: 1,
		}},
		"which tag became which is not known": {"a:1=1 a:2=2", "a:3=3 a:4=4", report.ImageChanges{
			Added: []string{"a:3", "a:4"}, Removed: []string{"a:1", "a:2"},
		}},
		"other repositories": {"a:1=1", "b:1=1", report.ImageChanges{Added: []string{"b:1"}, Removed: []string{"a:1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			want.Added = append([]string{}, want.Added...)
			want.Removed = append([]string{}, want.Removed...)
			want.Changed = append([]report.ImageChange{}, want.Changed...)
			if diff := cmp.Diff(want, compareImages(images(test.before), images(test.after))); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
