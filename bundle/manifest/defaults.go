package manifest

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest/internal/rule"
)

// setDefaults fills a value with the defaults of its tags, before what the
// manifest says goes over them. It panics on a default that the field cannot
// have.
func setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct || isFormatted(v.Type()) {
		return
	}
	for _, field := range rule.Fields(v.Type()) {
		target := v.Field(field.Index)
		if field.Default == "" {
			setDefaults(target)
			continue
		}
		if text, ok := reflect.TypeAssert[encoding.TextUnmarshaler](target.Addr()); ok {
			if err := text.UnmarshalText([]byte(field.Default)); err != nil {
				panic(fmt.Sprintf("manifest: default of %s: %v", field.Name, err))
			}
			continue
		}
		switch target.Kind() {
		case reflect.Bool:
			target.SetBool(field.Default == "true")
		case reflect.String:
			target.SetString(field.Default)
		default:
			panic(fmt.Sprintf("manifest: default of %s: no defaults of %s", field.Name, target.Type()))
		}
	}
}

// Defaults that a node profile does not repeat, or that depend on other fields.
const (
	defaultDriver   StorageDriver = "overlay2"
	defaultCapacity Capacity      = 2e9
	defaultProfile                = "node"
	defaultFlavor                 = "default"
)

// complete fills in what depends on other fields than one, after the checks.
func (m *Manifest) complete() {
	options := &m.SystemOptions
	options.Runtime.Name = cmp.Or(options.Runtime.Name, runtimeName)
	options.Runtime.Version = cmp.Or(options.Runtime.Version, VersionLatest)
	options.Runtime.Repository = cmp.Or(options.Runtime.Repository, Repository)
	options.Docker.StorageDriver = cmp.Or(options.Docker.StorageDriver, defaultDriver)
	options.Docker.Capacity = cmp.Or(options.Docker.Capacity, defaultCapacity)

	noFlavors := m.Installer.Flavors == nil || len(m.Installer.Flavors.Items) == 0
	if len(m.NodeProfiles) == 0 && noFlavors && m.Kind != KindApplication {
		m.NodeProfiles = []NodeProfile{{Name: defaultProfile, Description: "Default node"}}
		if m.Installer.Flavors == nil {
			m.Installer.Flavors = &Flavors{}
		}
		m.Installer.Flavors.Items = []Flavor{{
			Name:  defaultFlavor,
			Nodes: []FlavorNodes{{Profile: defaultProfile, Count: 1}},
		}}
	}
	for i := range m.NodeProfiles {
		m.NodeProfiles[i].complete()
	}
}

func (p *NodeProfile) complete() {
	p.ServiceRole = cmp.Or(p.ServiceRole, roleOfLabels(p.Labels))
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	if p.ServiceRole != "" {
		p.Labels[LabelServiceRole] = string(p.ServiceRole)
	}
	p.Labels[LabelRole] = cmp.Or(p.Labels[LabelRole], p.Name)
	for i := range p.Requirements.Volumes {
		volume := &p.Requirements.Volumes[i]
		volume.CreateIfMissing = volume.CreateIfMissing && !volume.SkipIfMissing
	}
}

// roleOfLabels is the role that labels ask for (S17); node comes first.
func roleOfLabels(labels map[string]string) ServiceRole {
	switch {
	case labels[LabelNode] == "true":
		return RoleNode
	case labels[LabelMaster] == "true", labels[LabelControlPlane] == "true":
		return RoleMaster
	}
	switch role := ServiceRole(labels[LabelServiceRole]); role {
	case RoleMaster, RoleNode:
		return role
	}
	return ""
}
