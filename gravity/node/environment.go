package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Environment is what the services of a node's master container have in their
// environment (S97), by the names of variables. Values may be secrets.
type Environment map[string]string

// proxies are the variables that name a proxy; programs read them in lower case
// as well.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}

// IsProxy tells whether a variable names a proxy.
func IsProxy(name string) bool { return slices.Contains(proxies, strings.ToUpper(name)) }

// Exempt returns the environment with NO_PROXY and no_proxy for hosts, networks
// and domains, if it has a proxy. What a user wrote into one of them stays; kept
// tells that.
func (e Environment) Exempt(hosts []string) (exempted Environment, kept bool) {
	proxied := false
	for name, value := range e {
		switch {
		case strings.EqualFold(name, "NO_PROXY"):
			kept = true
		case IsProxy(name) && value != "":
			proxied = true
		}
	}
	if !proxied || kept {
		return e, proxied && kept
	}
	exempted = maps.Clone(e)
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		exempted[name] = strings.Join(hosts, ",")
	}
	return exempted, false
}

// ReadEnvironment reads the node's environment; without a file it is empty.
func ReadEnvironment(p paths.Paths) (Environment, error) {
	content, err := os.ReadFile(p.Environment())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var e Environment
	if err := json.Unmarshal(content, &e); err != nil {
		// The library's error may quote a value.
		return nil, fmt.Errorf("%s: it is no JSON object of text", p.Environment())
	}
	return e, nil
}

// Write writes the node's environment, or removes the file if it is empty.
func (e Environment) Write(p paths.Paths) error {
	if len(e) == 0 {
		return os.RemoveAll(p.Environment())
	}
	content, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return paths.WriteFile(p.Environment(), append(content, '\n'), 0o600)
}
