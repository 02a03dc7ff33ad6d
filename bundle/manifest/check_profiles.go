package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func (c checks) profiles() {
	lines := map[string]string{}
	for i, profile := range c.m.NodeProfiles {
		path := item("nodeProfiles", i)
		if profile.Name != "" {
			if line := lines[profile.Name]; line != "" {
				c.failAt(path+".name", "give each profile a name of its own",
					"%s is the name of the profile on %s already", quote(profile.Name), line)
			}
			line, _ := position(c.index, path+".name")
			lines[profile.Name] = fmt.Sprintf("line %d", line)
			if !validLabelValue(profile.Name) {
				c.failAt(path+".name", labelValueHint, "%s cannot be the value of a label, which a profile's name is", quote(profile.Name))
			}
		}
		c.requirements(path+".requirements", profile.Requirements)
		c.labels(path, profile)
		c.taints(path+".taints", profile.Taints)
	}
	if len(c.m.NodeProfiles) > 0 && (c.m.Installer.Flavors == nil || len(c.m.Installer.Flavors.Items) == 0) {
		c.failAt("nodeProfiles", "write installer: {flavors: {items: [{name: default, nodes: [{profile: "+
			profileName(c.m.NodeProfiles[0])+", count: 1}]}]}}",
			"at least one flavor is required when node profiles are defined")
	}
}

func profileName(profile NodeProfile) string {
	if profile.Name == "" {
		return defaultProfile
	}
	return profile.Name
}

func (c checks) requirements(path string, r Requirements) {
	if r.CPU.Max != 0 && r.CPU.Max < r.CPU.Min {
		c.failAt(path+".cpu.max", fmt.Sprintf("write %d or more", r.CPU.Min), "%d is less than cpu.min, %d", r.CPU.Max, r.CPU.Min)
	}
	if r.RAM.Max != 0 && r.RAM.Max < r.RAM.Min {
		c.failAt(path+".ram.max", fmt.Sprintf("write %s or more", r.RAM.Min), "%s is less than ram.min, %s", r.RAM.Max, r.RAM.Min)
	}
	for i, volume := range r.Volumes {
		at := item(path+".volumes", i)
		if volume.SkipIfMissing && volume.CreateIfMissing && c.has(at+".createIfMissing") {
			c.warnAt(at+".createIfMissing", "remove one of the two", "is not used, since skipIfMissing is true")
		}
	}
}

// labels checks what the kubelet or the API would refuse at the site, and the
// roles that labels ask for (S17).
func (c checks) labels(path string, profile NodeProfile) {
	for key, value := range profile.Labels {
		at := child(path+".labels", key)
		if !validLabelKey(key) {
			c.failAt(at, "write [DOMAIN/]NAME, such as example.com/tier", "%s cannot be the name of a label", quote(key))
		}
		if !validLabelValue(value) {
			c.failAt(at, labelValueHint, "%s cannot be the value of a label", quote(value))
		}
	}
	asked := roleOfLabels(profile.Labels)
	if asked == RoleNode && (profile.Labels[LabelMaster] == "true" || profile.Labels[LabelControlPlane] == "true") {
		c.warnAt(child(path+".labels", LabelNode), "remove one of the two labels",
			"asks for a node where another label asks for a master; it will be a node")
	}
	if asked != "" && profile.ServiceRole != "" && asked != profile.ServiceRole {
		c.failAt(path+".serviceRole", "remove one of the two",
			"is %s, but the labels ask for a %s", profile.ServiceRole, asked)
	}
}

func (c checks) taints(path string, taints []Taint) {
	for i, taint := range taints {
		if taint.Key != "" && !validLabelKey(taint.Key) {
			c.failAt(item(path, i)+".key", "write [DOMAIN/]NAME, such as example.com/dedicated",
				"%s cannot be the key of a taint", quote(taint.Key))
		}
		if !validLabelValue(taint.Value) {
			c.failAt(item(path, i)+".value", labelValueHint, "%s cannot be the value of a taint", quote(taint.Value))
		}
	}
}

const (
	maxLabelName   = 63  // characters of a label's name without its domain, and of its value
	maxLabelDomain = 253 // characters
	labelValueHint = "write at most 63 letters, digits, dashes, dots and underscores, the first and last a letter or digit"
)

var labelName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?$`)

func validLabelKey(key string) bool {
	domain, name, qualified := strings.Cut(key, "/")
	if !qualified {
		domain, name = "", key
	}
	if qualified && (len(domain) > maxLabelDomain || !domainPattern.MatchString(domain)) {
		return false
	}
	return len(name) <= maxLabelName && labelName.MatchString(name)
}

func validLabelValue(value string) bool {
	return value == "" || len(value) <= maxLabelName && labelName.MatchString(value)
}

func (c checks) flavors() {
	flavors := c.m.Installer.Flavors
	if flavors == nil {
		return
	}
	const path = "installer.flavors.items"
	var profiles, names []string
	for _, profile := range c.m.NodeProfiles {
		profiles = append(profiles, profile.Name)
	}
	for i, flavor := range flavors.Items {
		if flavor.Name != "" && contains(names, flavor.Name) {
			c.failAt(item(path, i)+".name", "give each flavor a name of its own",
				"%s is the name of a flavor above", quote(flavor.Name))
		}
		names = append(names, flavor.Name)
		for j, nodes := range flavor.Nodes {
			at := item(item(path, i)+".nodes", j)
			if nodes.Profile != "" && !contains(profiles, nodes.Profile) {
				c.failAt(at+".profile", hintOf(nodes.Profile, profiles, "add it to nodeProfiles"),
					"flavor %s refers to undefined profile %s", quote(flavor.Name), quote(nodes.Profile))
			}
			if nodes.Count < 0 {
				c.failAt(at+".count", "write 0 or more", "flavor %s has negative count for profile %s",
					quote(flavor.Name), quote(nodes.Profile))
			}
		}
	}
	if flavors.Default != "" && !contains(names, flavors.Default) {
		c.failAt("installer.flavors.default", hintOf(flavors.Default, names, "add it to items"),
			"there is no flavor %s", quote(flavors.Default))
	}
}

// hintOf suggests the nearest of some names, or lists them, or says what else
// to do where there are none.
func hintOf(name string, names []string, otherwise string) string {
	if best := Closest(name, names); best != "" {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	named := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	slices.Sort(named)
	if named = slices.Compact(named); len(named) == 0 || len(named) > fewNames {
		return otherwise
	}
	return otherwise + ", or write one of " + quoteAll(named)
}
