package manifest

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

const (
	runtimeName = "kubernetes"
	bandwagon   = "bandwagon" // the runtime's own screen after an installation
)

// checks are the rules that concern several fields, or none in particular.
// Each runs on what could be decoded, even if there were problems.
type checks struct {
	*decoder
	m *Manifest
}

func (c checks) run() {
	c.identity()
	c.runtime()
	c.endpoints()
	c.hooks()
	c.profiles()
	c.flavors()
	c.webConfig()
	c.logo()
}

// has tells whether the manifest itself has a field.
func (c checks) has(path string) bool { return c.index[path].value != nil }

// identity checks what the manifest is and is called.
func (c checks) identity() {
	m := c.m
	if m.Metadata.Repository != Repository {
		c.failAt("metadata.repository", "remove the field",
			`repository must be equal to %q, got %s`, Repository, quote(m.Metadata.Repository))
	}
	switch {
	case m.APIVersion == APIVersionCluster && m.Kind != KindCluster && m.Kind != "":
		c.warnAt("kind", "write kind: Cluster, or apiVersion: "+string(APIVersionBundle),
			"%s is of kind Cluster; it is read as %s", m.APIVersion, m.Kind)
	case m.APIVersion == APIVersionApp && m.Kind != KindApplication && m.Kind != "":
		c.warnAt("kind", "write kind: Application, or apiVersion: "+string(APIVersionBundle),
			"%s is of kind Application; it is read as %s", m.APIVersion, m.Kind)
	}
}

func (c checks) runtime() {
	m := c.m
	runtime := m.SystemOptions.Runtime
	if runtime.Name != "" && runtime.Name != runtimeName {
		c.failAt("systemOptions.runtime.name", "write kubernetes, or remove the field",
			"%s is not a runtime", quote(runtime.Name))
	}
	if runtime.Repository != "" && runtime.Repository != Repository {
		c.failAt("systemOptions.runtime.repository", "remove the field",
			"repository must be equal to %q, got %s", Repository, quote(runtime.Repository))
	}
	base := m.BaseImage.Version
	if base != "" && runtime.Version != "" && runtime.Version != VersionLatest && base != runtime.Version {
		c.warnAt("systemOptions.runtime.version", "remove it",
			"%s is not used, since baseImage names %s", runtime.Version, base)
	}
}

func (c checks) endpoints() {
	names := map[string]bool{bandwagon: true}
	for i, endpoint := range c.m.Endpoints {
		path := item("endpoints", i)
		if endpoint.Name != "" && names[endpoint.Name] && endpoint.Name != bandwagon {
			c.warnAt(path+".name", "give each endpoint a name of its own", "%s is the name of an endpoint above", quote(endpoint.Name))
		}
		names[endpoint.Name] = true
	}
	for i, name := range c.m.Installer.SetupEndpoints {
		if !names[name] && name != "" {
			c.warnAt(item("installer.setupEndpoints", i), "add it to endpoints", "there is no endpoint %s", quote(name))
		}
	}
}

func (c checks) hooks() {
	for _, name := range HookName("").Values() {
		hook, found := c.m.Hooks[HookName(name)]
		if !found {
			continue
		}
		path := child("hooks", name)
		if hook.Type != "" && string(hook.Type) != name {
			c.warnAt(path+".type", "remove it", "%s is not used: the hook is %s", hook.Type, name)
		}
		if hook.Job != "" && !hook.Job.IsReference() {
			c.job(path+".job", hook.Job)
		}
	}
	var missing []string
	for _, name := range provisioningHooks {
		if _, found := c.m.Hooks[name]; !found {
			missing = append(missing, string(name))
		}
	}
	if len(missing) == len(provisioningHooks) {
		return
	}
	for _, name := range missing {
		c.failAt(child("hooks", name), "the hooks clusterProvision, clusterDeprovision, nodesProvision and "+
			"nodesDeprovision come together or not at all", "specify %s hook when using custom provisioning", name)
	}
}

func (c checks) webConfig() {
	text := string(c.m.WebConfig)
	if text == "" || c.m.WebConfig.IsReference() {
		return
	}
	var value json.RawMessage
	err := json.Unmarshal([]byte(text), &value)
	if err == nil {
		return
	}
	where := ""
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := text[:min(int(syntax.Offset), len(text))]
		where = ": line " + strconv.Itoa(1+strings.Count(before, "\n")) + " of it: " + syntax.Error()
	}
	c.failAt("webConfig", c.origin("webConfig", "write JSON, such as {}"), "webConfig is not a valid JSON%s", where)
}

func (c checks) logo() {
	logo := c.m.Logo
	if logo == "" || logo.IsReference() || strings.HasPrefix(string(logo), "data:image/") {
		return
	}
	c.failAt("logo", "write file://logo.png with the path of an image", "%s is not an image", quote(string(logo)))
}

// origin is a hint that names the file from which a value came, if it was
// vendored.
func (c checks) origin(path, hint string) string {
	if from := c.m.origins[path]; from != "" {
		return "look into " + from
	}
	return hint
}
