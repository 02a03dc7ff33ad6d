package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// keyList is signed_by with some keys.
func keyList(keys ...signature.PrivateKey) types.List {
	elements := []attr.Value{}
	for _, key := range keys {
		elements = append(elements, types.StringValue(string(key.Public().Encode())))
	}
	return types.ListValueMust(types.StringType, elements)
}

// TestSignedBy: what must be signed and is not, or by somebody else, is refused when
// Terraform plans.
func TestSignedBy(t *testing.T) {
	ours, old, foreign := generate(t), generate(t), generate(t)
	unsigned, digest := writeBundle(t, "1.0.0")
	signed, _ := writeBundle(t, "1.0.0", ours, foreign)
	damaged := damage(t, signed)
	unknown := types.ListValueMust(types.StringType, []attr.Value{types.StringUnknown()})
	for name, test := range map[string]struct {
		bundle, want string
		keys         types.List
	}{
		"ours":              {signed, "", keyList(ours)},
		"one of ours":       {signed, "", keyList(old, ours)},
		"not asked for":     {unsigned, "", types.ListNull(types.StringType)},
		"not known":         {unsigned, "", unknown},
		"unsigned":          {unsigned, "it has no signature, and signed_by requires one of 1", keyList(ours)},
		"by another":        {signed, "it is signed by ", keyList(old)},
		"no keys":           {signed, "would accept every bundle", keyList()},
		"damaged signature": {damaged, "packages/index.json.sig", keyList(ours)},
		"damaged, no keys":  {damaged, "packages/index.json.sig", types.ListNull(types.StringType)},
	} {
		t.Run(name, func(t *testing.T) {
			problems := planned(t, hubs{}, test.bundle, func(m *model) { m.SignedBy = test.keys })
			wantProblem(t, problems, diag.SeverityError, test.want)
		})
	}
	// Nothing of a bundle that is installed will run.
	before := &model{
		Name: types.StringValue("shop"), AdvertiseAddress: types.StringValue("10.0.0.1"), Bundle: types.StringValue(unsigned),
		BundleDigest: types.StringValue(digest), OperationStatus: types.StringValue(operation.Completed),
	}
	plan := *before
	plan.SignedBy = keyList(ours)
	var problems diag.Diagnostics
	hubs{}.planBundle(t.Context(), &plan, before, &problems)
	wantProblem(t, problems, diag.SeverityWarning, "it has no signature")
	// One that is to be resumed will.
	before.OperationStatus = types.StringValue(operation.Failed)
	problems = nil
	hubs{}.planBundle(t.Context(), &plan, before, &problems)
	wantProblem(t, problems, diag.SeverityError, "it has no signature")
}

// damage changes a signature in a copy of a bundle.
func damage(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const title = "gravity bundle signatures 1\n"
	at := strings.Index(string(content), title)
	if at < 0 {
		t.Fatal("there are no signatures")
	}
	// The last letters of the first signature's line, before the padding.
	end := at + len(title) + strings.IndexByte(string(content[at+len(title):]), '\n')
	content[end-8] = map[bool]byte{true: 'B', false: 'A'}[content[end-8] == 'A']
	damaged := filepath.Join(t.TempDir(), "shop.tar")
	if err := os.WriteFile(damaged, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return damaged
}

// TestObtain: what was planned is what is sent, and it is checked again then.
func TestObtain(t *testing.T) {
	ours := generate(t)
	signed, digest := writeBundle(t, "1.0.0", ours)
	unsigned, same := writeBundle(t, "1.0.0")
	other, _ := writeBundle(t, "1.0.1", ours)
	if digest != same {
		t.Fatal("a signature changes the digest")
	}
	r := &clusterResource{}
	for name, test := range map[string]struct{ bundle, want string }{
		"as planned":           {signed, ""},
		"another":              {other, "is another bundle now"},
		"without a signature":  {unsigned, "it has no signature"},
		"not there any longer": {signed + ".gone", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &model{Bundle: types.StringValue(test.bundle), BundleDigest: types.StringValue(digest), SignedBy: keyList(ours)}
			o := &operation.Operation{}
			file, err := r.obtain(t.Context(), o, m)
			switch {
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %q", err, test.want)
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want == "" && (file != test.bundle || o.IndexDigest != digest || len(o.TrustedKeys) != 1 || !strings.HasPrefix(o.ProgramDigest, "sha256:")):
				t.Errorf("it is %s, and the operation expects %+v", file, o)
			}
		})
	}
}

// TestChoices: role and flavor are those of the application.
func TestChoices(t *testing.T) {
	path, _ := writeBundle(t, "1.0.0")
	for name, test := range map[string]struct{ role, flavor, want string }{
		"none":           {"", "", ""},
		"both":           {"worker", "small", ""},
		"another role":   {"severs", "", `shop 1.0.0 has no node profile "severs"`},
		"almost a role":  {"severs", "", `did you mean "server"?`},
		"another flavor": {"", "huge", "It has: small."},
	} {
		t.Run(name, func(t *testing.T) {
			problems := planned(t, hubs{}, path, func(m *model) {
				if test.role != "" {
					m.Role = types.StringValue(test.role)
				}
				if test.flavor != "" {
					m.Flavor = types.StringValue(test.flavor)
				}
			})
			wantProblem(t, problems, diag.SeverityError, test.want)
		})
	}
	if problems := planned(t, hubs{}, path, func(m *model) { m.Role, m.Flavor = types.StringUnknown(), types.StringUnknown() }); len(problems) > 0 {
		t.Errorf("what is not known: %v", problems)
	}
}
