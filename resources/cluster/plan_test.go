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
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// writeBundle makes a small bundle, signed by keys, and returns its path and digest.
func writeBundle(t *testing.T, version string, keys ...signature.PrivateKey) (path, digest string) {
	t.Helper()
	return writeProgram(t, version, "#!/bin/sh\n", keys...)
}

// writeProgram is writeBundle with another gravity.
func writeProgram(t *testing.T, version, gravity string, keys ...signature.PrivateKey) (path, digest string) {
	t.Helper()
	blobs := bundle.Memory{}
	target := blobs.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"` +
		runtime.ArtifactType + `","manifests":[]}`))
	target.MediaType, target.ArtifactType = media.OCIImageIndex, runtime.ArtifactType
	program := blobs.Add([]byte(gravity))
	path = filepath.Join(t.TempDir(), "shop.tar")
	draft, err := bundle.Plan(t.Context(), bundle.Contents{
		Name: "shop", Version: version, Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Manifest: []byte("apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata: {name: shop, resourceVersion: " + version + "}\n" +
			"nodeProfiles: [{name: server}, {name: worker}]\n" +
			"installer: {flavors: {items: [{name: small, nodes: [{profile: server, count: 1}]}]}}\n"),
		Runtimes: []bundle.Runtime{{Version: "1.37.2", Descriptor: target}}, Gravity: &program, Source: blobs,
	})
	if err == nil {
		err = draft.Sign(keys...)
	}
	if err == nil {
		_, err = draft.Write(t.Context(), path, bundle.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	found, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, found.digest
}

func generate(t *testing.T) signature.PrivateKey {
	t.Helper()
	key, err := signature.Generate(signature.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// planned are the problems of the plan for a new cluster.
func planned(t *testing.T, h hubs, bundle string, change func(*model)) diag.Diagnostics {
	t.Helper()
	plan := model{Name: types.StringValue("shop"), AdvertiseAddress: types.StringValue("10.0.0.1"), Bundle: types.StringValue(bundle)}
	if change != nil {
		change(&plan)
	}
	var problems diag.Diagnostics
	h.planBundle(t.Context(), &plan, nil, &problems)
	return problems
}

// wantProblem wants one problem with a text in it, or none for an empty text.
func wantProblem(t *testing.T, problems diag.Diagnostics, severity diag.Severity, want string) {
	t.Helper()
	switch {
	case want == "" && len(problems) == 0:
	case want == "" || len(problems) != 1 || problems[0].Severity() != severity || !strings.Contains(problems[0].Detail(), want):
		t.Errorf("the problems are %v, want %q", problems, want)
	case !strings.Contains(problems[0].Detail(), "To do: "):
		t.Errorf("it does not say what to do: %s", problems[0].Detail())
	}
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
		"no hub's":           {"oci://shop:1.0.0", nil, "", "", "HOST/NAME:VERSION"},
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
			hubs{}.planBundle(t.Context(), &plan, test.before, &problems)
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
	if (hubs{}).planBundle(t.Context(), &plan, installed(path, operation.Completed), &problems); problems.HasError() {
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
