package cluster

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
)

// signedBy is the attribute that says whose bundles are installed.
//
// What guarantees it, from here to the machine: a signature is of index.json, which
// lists the digest of everything else. Here, it is checked when Terraform plans and
// again before the bundle is sent, and what is sent is checksummed. There, before
// anything of the bundle runs as root, index.json must be the one that was checked
// here, and the program the one that index.json lists; then the program, which can be
// believed now, checks the signature itself, with the same keys (gravity install
// --trusted-key), and each package as it goes into the cluster's store. What the
// machine's own /etc/gravity/trust.yaml requires counts besides.
const signedBy = "signed_by"

// maxKeys is how many keys signed_by may have: they travel on a command line.
const maxKeys = 100

// keys are the public keys that signed_by has, in PEM; known is false while some of
// them are not known. A list without elements is that of an import: nobody knows what
// the bundle had to be signed by.
func (m *model) keys() (keys []string, known bool) {
	if m.SignedBy.IsUnknown() {
		return nil, false
	}
	for _, element := range m.SignedBy.Elements() {
		key, ok := element.(types.String)
		if !ok || key.IsUnknown() {
			return nil, false
		}
		keys = append(keys, key.ValueString())
	}
	return keys, true
}

// checkSigners refuses a bundle that none of the keys signed.
func checkSigners(wanted *offer, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	var texts [][]byte
	for _, key := range keys {
		texts = append(texts, []byte(key))
	}
	policy, err := trust.TrustingKeys(signedBy, texts...)
	if err != nil {
		return err
	}
	return policy.CheckSignatures(wanted.signatures)
}

// planSigners checks who signed the bundle, as far as the keys are known. Nothing of
// a bundle that is installed will run, so who signed that one is a warning.
func planSigners(plan, before *model, wanted *offer, installed bool, diagnostics *diag.Diagnostics) {
	keys, known := plan.keys()
	if known && len(keys) == 0 && !plan.SignedBy.IsNull() && before == nil {
		diagnostics.AddAttributeError(path.Root(signedBy), "No keys",
			"A list without keys would accept every bundle.\n\nTo do: leave signed_by out if that is what you want.")
		return
	}
	err := checkSigners(wanted, keys)
	switch {
	case err == nil:
	case installed:
		diagnostics.AddAttributeWarning(path.Root(signedBy), "Installed bundle is not trusted", access.Detail(err))
	default:
		diagnostics.AddAttributeError(path.Root(signedBy), "Bundle is not trusted", access.Detail(err))
	}
}
