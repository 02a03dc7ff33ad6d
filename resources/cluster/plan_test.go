package cluster

import (
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	media "github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// writeBundle makes a small bundle and returns its path and digest.
func writeBundle(t *testing.T, version string) (path, digest string) {
	t.Helper()
	blobs := bundle.Memory{}
	target := blobs.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"` +
		runtime.ArtifactType + `","manifests":[]}`))
	target.MediaType, target.ArtifactType = media.OCIImageIndex, runtime.ArtifactType
	program := blobs.Add([]byte("#!/bin/sh\n"))
	path = filepath.Join(t.TempDir(), "shop.tar")
	_, err := bundle.Write(t.Context(), path, bundle.Contents{
		Name: "shop", Version: version, Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Manifest: []byte("apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata: {name: shop, resourceVersion: " + version + "}\n"),
		Runtimes: []bundle.Runtime{{Version: "1.37.2", Descriptor: target}}, Gravity: &program, Source: blobs,
	}, bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if digest, err = digestOf(path); err != nil {
		t.Fatal(err)
	}
	return path, digest
}

func TestPlanBundle(t *testing.T) {
	path, digest := writeBundle(t, "1.0.0")
	other, _ := writeBundle(t, "1.0.1")
	installed := func(path, status string) *model {
		return &model{
			Name: types.StringValue("shop"), AdvertiseAddress: types.StringValue("10.0.0.1"), Bundle: types.StringValue(path),
			BundleDigest: types.StringValue(digest), OperationStatus: types.StringValue(status),
		}
	}
	for name, test := range map[string]struct {
		bundle       string
		before       *model
		want, digest string // of the plan
		problem      string
	}{
		"new":                {path, nil, path, digest, ""},
		"missing":            {path + ".missing", nil, "", "", "path.module"},
		"a folder":           {filepath.Dir(path), nil, "", "", "is a folder"},
		"a hub's":            {"oci://hub/shop:1.0.0", nil, "", "", "cannot be installed yet"},
		"the same":           {path, installed(path, operation.Completed), path, digest, ""},
		"moved":              {path, installed("elsewhere.tar", operation.Completed), "elsewhere.tar", digest, ""},
		"imported":           {path, installed(digest, operation.Completed), digest, digest, ""},
		"not there any more": {"gone.tar", installed("gone.tar", operation.Completed), "gone.tar", digest, ""},
		"still needed":       {"gone.tar", installed("gone.tar", operation.Running), "", "", "no such file"},
		"another version":    {other, installed(path, operation.Completed), "", "", "Upgrades are not supported yet"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := model{Name: types.StringValue("shop"), AdvertiseAddress: types.StringValue("10.0.0.1"), Bundle: types.StringValue(test.bundle)}
			if test.before != nil {
				plan.BundleDigest = test.before.BundleDigest
			}
			var problems diag.Diagnostics
			planBundle(&plan, test.before, &problems)
			if test.problem != "" {
				if !problems.HasError() || !strings.Contains(problems[0].Detail(), test.problem) {
					t.Fatalf("the problems are %v, want %q", problems, test.problem)
				}
				return
			}
			if problems.HasError() || plan.Bundle.ValueString() != test.want || plan.BundleDigest.ValueString() != test.digest {
				t.Errorf("%s %s, %v", plan.Bundle, plan.BundleDigest, problems)
			}
		})
	}
	// Another cluster may have another bundle.
	plan := model{Name: types.StringValue("shed"), AdvertiseAddress: types.StringValue("10.0.0.1"), Bundle: types.StringValue(other)}
	var problems diag.Diagnostics
	if planBundle(&plan, installed(path, operation.Completed), &problems); problems.HasError() {
		t.Errorf("a cluster that takes its place: %v", problems)
	}
}

// TestKnown: the first master is always among those that are asked, as it is
// reached.
func TestKnown(t *testing.T) {
	m := &model{AdvertiseAddress: types.StringValue("10.0.0.1")}
	m.Masters = types.ListUnknown(masterType)
	if known := m.known(); len(known) != 1 || known[0].Address.ValueString() != "10.0.0.1" {
		t.Errorf("before the installation %v are known", known)
	}
	m.Masters = masters.ToList([]masters.Master{masters.At("10.0.0.1"), masters.At("10.0.0.2")})
	if known := m.known(); len(known) != 2 || known[1].Address.ValueString() != "10.0.0.2" {
		t.Errorf("%v are known", known)
	}
}
