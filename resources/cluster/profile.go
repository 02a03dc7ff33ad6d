package cluster

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// planChoices checks what is chosen among what the application has. A manifest that
// this provider cannot read is left to the bundle's own gravity, which may be newer.
func planChoices(plan *model, wanted *offer, diagnostics *diag.Diagnostics) {
	application, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(wanted.manifest))
	if err != nil {
		return
	}
	var profiles, flavors []string
	for _, profile := range application.NodeProfiles {
		profiles = append(profiles, profile.Name)
	}
	for _, flavor := range application.Installer.Flavors.Items {
		flavors = append(flavors, flavor.Name)
	}
	for _, choice := range []struct {
		attribute, what string
		value           types.String
		names           []string
	}{{"role", "node profile", plan.Role, profiles}, {"flavor", "flavor", plan.Flavor, flavors}} {
		if unset(choice.value) || slices.Contains(choice.names, choice.value.ValueString()) {
			continue
		}
		diagnostics.AddAttributeError(path.Root(choice.attribute), "Unknown "+choice.what,
			fmt.Sprintf("%s has no %s %q. %s", wanted, choice.what, choice.value.ValueString(),
				otherChoice(choice.attribute, choice.value.ValueString(), choice.names)))
	}
}

// otherChoice says what there is, and what to do.
func otherChoice(attribute, name string, names []string) string {
	if len(names) == 0 {
		return "It has none.\n\nTo do: leave " + attribute + " out."
	}
	advice := "It has: " + strings.Join(names, ", ") + ".\n\nTo do: "
	if best := manifest.Closest(name, names); best != "" {
		return advice + fmt.Sprintf("did you mean %q?", best)
	}
	return advice + "choose one of them."
}
