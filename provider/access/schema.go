package access

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	dataschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	resourceschema "github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// ProviderAttribute is ssh in the provider's schema.
func ProviderAttribute() providerschema.Attribute {
	attributes := make(map[string]providerschema.Attribute)
	for _, f := range fields {
		switch f.kind {
		case number:
			attributes[f.name] = providerschema.Int64Attribute{Optional: true, MarkdownDescription: f.description()}
		case truth:
			attributes[f.name] = providerschema.BoolAttribute{Optional: true, MarkdownDescription: f.description()}
		default:
			attributes[f.name] = providerschema.StringAttribute{Optional: true, Sensitive: f.secret, MarkdownDescription: f.description()}
		}
	}
	return providerschema.SingleNestedAttribute{
		Optional: true, Attributes: attributes,
		MarkdownDescription: "How to reach machines. Host keys are verified.",
	}
}

// aboutNode describes ssh of a node.
const aboutNode = "How to reach this machine, where it differs from the provider's `ssh`."

// NodeAttribute is ssh in a resource's schema: what a node may override.
func NodeAttribute() resourceschema.Attribute {
	attributes := make(map[string]resourceschema.Attribute)
	for _, f := range nodeFields() {
		if f.kind == number {
			attributes[f.name] = resourceschema.Int64Attribute{Optional: true, MarkdownDescription: f.about}
		} else {
			attributes[f.name] = resourceschema.StringAttribute{Optional: true, MarkdownDescription: f.about}
		}
	}
	return resourceschema.SingleNestedAttribute{Optional: true, Attributes: attributes, MarkdownDescription: aboutNode}
}

// NodeDataAttribute is ssh in a data source's schema.
func NodeDataAttribute() dataschema.Attribute {
	attributes := make(map[string]dataschema.Attribute)
	for _, f := range nodeFields() {
		if f.kind == number {
			attributes[f.name] = dataschema.Int64Attribute{Optional: true, MarkdownDescription: f.about}
		} else {
			attributes[f.name] = dataschema.StringAttribute{Optional: true, MarkdownDescription: f.about}
		}
	}
	return dataschema.SingleNestedAttribute{Optional: true, Attributes: attributes, MarkdownDescription: aboutNode}
}

func nodeFields() []field {
	return slices.DeleteFunc(slices.Clone(fields), func(f field) bool { return !slices.Contains(overridable, f.name) })
}

// NodeTypes are the types of a node's ssh, for models that decode it as
// types.Object.
func NodeTypes() map[string]attr.Type {
	found := make(map[string]attr.Type)
	for _, f := range nodeFields() {
		found[f.name] = typeOf(f.kind)
	}
	return found
}

func typeOf(k kind) attr.Type {
	switch k {
	case number:
		return types.Int64Type
	case truth:
		return types.BoolType
	default:
		return types.StringType
	}
}
