package resource

import (
	"slices"
	"strings"
)

// Kind is a kind of Gravity document.
type Kind struct {
	// Name is how documents are kept, in lower case.
	Name string
	// Versions are those that documents may have, the newest first.
	Versions []string
	// Aliases are other names.
	Aliases []string
	// Single kinds have one document in a cluster, which needs no name.
	Single bool
}

// kinds are those of the original and its enterprise edition.
var kinds = []Kind{
	{Name: "alert", Versions: []string{"v2"}, Aliases: []string{"alerts"}},
	{Name: "alerttarget", Versions: []string{"v2"}, Aliases: []string{"alerttargets"}, Single: true},
	{Name: "authgateway", Versions: []string{"v1"}, Aliases: []string{"gw"}, Single: true},
	{Name: "cluster_auth_preference", Versions: []string{"v2"}, Aliases: []string{"authpreference", "cap"}, Single: true},
	{Name: "clusterconfiguration", Versions: []string{"v1"}, Aliases: []string{"config"}, Single: true},
	{Name: "endpoints", Versions: []string{"v2"}, Single: true},
	{Name: "github", Versions: []string{"v3"}},
	{Name: "logforwarder", Versions: []string{"v2", "v1"}, Aliases: []string{"logforwarders"}},
	{Name: "oidc", Versions: []string{"v2"}},
	{Name: "role", Versions: []string{"v3", "v2"}, Aliases: []string{"roles"}},
	{Name: "runtimeenvironment", Versions: []string{"v1"}, Aliases: []string{"environment", "env"}, Single: true},
	{Name: "saml", Versions: []string{"v2"}},
	{Name: "smtp", Versions: []string{"v2"}, Aliases: []string{"smtps"}, Single: true},
	{Name: "tlskeypair", Versions: []string{"v2"}, Aliases: []string{"tlskeypairs", "tls"}, Single: true},
	{Name: "token", Versions: []string{"v2"}, Aliases: []string{"tokens"}},
	{Name: "trusted_cluster", Versions: []string{"v2"}, Aliases: []string{"trustedcluster", "trustedclusters"}},
	{Name: "user", Versions: []string{"v2"}, Aliases: []string{"users"}},
}

// FindKind finds a kind by its name or an alias, in any case.
func FindKind(name string) (Kind, bool) {
	name = strings.ToLower(name)
	for _, kind := range kinds {
		if kind.Name == name || slices.Contains(kind.Aliases, name) {
			return kind, true
		}
	}
	return Kind{}, false
}

// Kinds lists the names of all kinds, in alphabetical order.
func Kinds() []string {
	names := make([]string, 0, len(kinds))
	for _, kind := range kinds {
		names = append(names, kind.Name)
	}
	return names
}
