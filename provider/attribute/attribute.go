// Package attribute has validators and plan modifiers that several resources use.
package attribute

import (
	"context"
	"net/netip"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
)

// parsed validates a text by parsing it.
type parsed struct {
	what  string
	check func(text string) string
}

func (p parsed) Description(context.Context) string { return "must be " + p.what }

func (p parsed) MarkdownDescription(ctx context.Context) string { return p.Description(ctx) }

func (p parsed) ValidateString(_ context.Context, request validator.StringRequest, response *validator.StringResponse) {
	if request.ConfigValue.IsNull() || request.ConfigValue.IsUnknown() {
		return
	}
	if problem := p.check(request.ConfigValue.ValueString()); problem != "" {
		response.Diagnostics.AddAttributeError(request.Path, "Invalid value", problem)
	}
}

// Address wants an IP address.
func Address() validator.String {
	return parsed{"an IP address", func(text string) string {
		if address, err := netip.ParseAddr(text); err != nil || !address.Is4() {
			return "\"" + text + "\" is not an IPv4 address."
		}
		return ""
	}}
}

// Network wants a network in CIDR notation.
func Network() validator.String {
	return parsed{"a network", func(text string) string {
		network, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return "\"" + text + "\" is not a network such as 10.244.0.0/16."
		case network != network.Masked():
			return text + " is not the address of a network, " + network.Masked().String() + " is."
		}
		return ""
	}}
}

// PublicKey wants a public key in PEM.
func PublicKey() validator.String {
	return parsed{"a public key in PEM", func(text string) string {
		if _, err := signature.ParsePublicKey([]byte(text)); err != nil {
			return "It is no public key: " + err.Error() + ".\n\nTo do: give the content of the file that 'tele key' wrote, such as file(\"release.pub\")."
		}
		return ""
	}}
}

// MapChanged wants another object for another value, unless the value is not known
// since the object was imported.
func MapChanged(_ context.Context, request planmodifier.MapRequest, response *mapplanmodifier.RequiresReplaceIfFuncResponse) {
	response.RequiresReplace = !request.StateValue.IsNull()
}
