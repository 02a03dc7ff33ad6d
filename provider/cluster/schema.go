package cluster

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	dataschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	ephemeralschema "github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	resourceschema "github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// MasterTypes are the types of a Master's attributes.
func MasterTypes() map[string]attr.Type {
	return map[string]attr.Type{
		"address": types.StringType, "host": types.StringType, "port": types.Int64Type, "user": types.StringType, "host_key": types.StringType,
	}
}

const (
	aboutMasters = "Masters of the cluster, in the order of their addresses. Any of them that lives speaks for the cluster."
	// AboutMastersInput describes masters where they are given.
	AboutMastersInput = "Masters of the cluster, such as `gravity_cluster.example.masters`. One that lives is enough."
	aboutAddress      = "Address at which the other nodes reach the master."
	aboutHost         = "Name or address at which Terraform reaches it; `address` by default."
	aboutPort         = "Port of sshd; that of the provider's `ssh` by default."
	aboutUser         = "User to log in as; that of the provider's `ssh` by default."
	aboutHostKey      = "Public key of the machine; the provider's `ssh` says which are known by default."
)

// ComputedMasters is the attribute masters of a resource that finds them.
func ComputedMasters() resourceschema.ListNestedAttribute {
	text := func(about string) resourceschema.Attribute {
		return resourceschema.StringAttribute{Computed: true, MarkdownDescription: about}
	}
	return resourceschema.ListNestedAttribute{
		Computed: true, MarkdownDescription: aboutMasters,
		NestedObject: resourceschema.NestedAttributeObject{Attributes: map[string]resourceschema.Attribute{
			"address": text(aboutAddress), "host": text(aboutHost), "user": text(aboutUser), "host_key": text(aboutHostKey),
			"port": resourceschema.Int64Attribute{Computed: true, MarkdownDescription: aboutPort},
		}},
	}
}

// RequiredMasters is the attribute masters of a resource that is told them.
func RequiredMasters() resourceschema.ListNestedAttribute {
	text := func(about string) resourceschema.Attribute {
		return resourceschema.StringAttribute{Optional: true, MarkdownDescription: about}
	}
	return resourceschema.ListNestedAttribute{
		Required: true, MarkdownDescription: AboutMastersInput,
		NestedObject: resourceschema.NestedAttributeObject{Attributes: map[string]resourceschema.Attribute{
			"address": resourceschema.StringAttribute{Required: true, MarkdownDescription: aboutAddress},
			"host":    text(aboutHost), "user": text(aboutUser), "host_key": text(aboutHostKey),
			"port": resourceschema.Int64Attribute{Optional: true, MarkdownDescription: aboutPort},
		}},
	}
}

// DataMasters is the attribute masters of a data source, which is told them.
func DataMasters() dataschema.ListNestedAttribute {
	text := func(about string) dataschema.Attribute {
		return dataschema.StringAttribute{Optional: true, MarkdownDescription: about}
	}
	return dataschema.ListNestedAttribute{
		Required: true, MarkdownDescription: AboutMastersInput,
		NestedObject: dataschema.NestedAttributeObject{Attributes: map[string]dataschema.Attribute{
			"address": dataschema.StringAttribute{Required: true, MarkdownDescription: aboutAddress},
			"host":    text(aboutHost), "user": text(aboutUser), "host_key": text(aboutHostKey),
			"port": dataschema.Int64Attribute{Optional: true, MarkdownDescription: aboutPort},
		}},
	}
}

// EphemeralMasters is the attribute masters of an ephemeral resource, which is told
// them.
func EphemeralMasters() ephemeralschema.ListNestedAttribute {
	text := func(about string) ephemeralschema.Attribute {
		return ephemeralschema.StringAttribute{Optional: true, MarkdownDescription: about}
	}
	return ephemeralschema.ListNestedAttribute{
		Required: true, MarkdownDescription: AboutMastersInput,
		NestedObject: ephemeralschema.NestedAttributeObject{Attributes: map[string]ephemeralschema.Attribute{
			"address": ephemeralschema.StringAttribute{Required: true, MarkdownDescription: aboutAddress},
			"host":    text(aboutHost), "user": text(aboutUser), "host_key": text(aboutHostKey),
			"port": ephemeralschema.Int64Attribute{Optional: true, MarkdownDescription: aboutPort},
		}},
	}
}
