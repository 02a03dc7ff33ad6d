package sbom

import (
	"net/url"
	"slices"
	"strings"
)

// packageURL names a package as scanners do. Slashes divide the name; qualifiers
// without a value are left out.
func packageURL(kind, name, version string, qualifiers map[string]string) []ExternalRef {
	var locator strings.Builder
	locator.WriteString("pkg:" + kind)
	for part := range strings.SplitSeq(name, "/") {
		locator.WriteString("/" + escape(part))
	}
	if version != "" {
		locator.WriteString("@" + escape(version))
	}
	separator := "?"
	for _, key := range sortedKeys(qualifiers) {
		if value := qualifiers[key]; value != "" {
			locator.WriteString(separator + key + "=" + strings.ReplaceAll(escape(value), "%2F", "/"))
			separator = "&"
		}
	}
	return []ExternalRef{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: locator.String()}}
}

// escape escapes all but letters, digits, ".-_~" and colons.
func escape(text string) string {
	return strings.NewReplacer("+", "%20", "%3A", ":").Replace(url.QueryEscape(text))
}

func sortedKeys[V any](values map[string]V) []string {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
