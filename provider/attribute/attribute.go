// Package attribute has validators and plan modifiers that several resources use.
package attribute

import (
	"context"
	"net/netip"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema/listplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
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

// MapChanged wants another object for another value, unless the value is not known
// since the object was imported.
func MapChanged(_ context.Context, request planmodifier.MapRequest, response *mapplanmodifier.RequiresReplaceIfFuncResponse) {
	response.RequiresReplace = !request.StateValue.IsNull()
}

// ListChanged is MapChanged for lists.
func ListChanged(_ context.Context, request planmodifier.ListRequest, response *listplanmodifier.RequiresReplaceIfFuncResponse) {
	response.RequiresReplace = !request.StateValue.IsNull()
}
