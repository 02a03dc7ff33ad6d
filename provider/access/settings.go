package access

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

// Settings are the values of ssh. The zero value has none.
type Settings struct {
	// values may be null or unknown. What is missing is null.
	values map[string]attr.Value
	// unknown tells that ssh as a whole is not known.
	unknown bool
}

// NewSettings takes the provider's ssh, or a node's.
func NewSettings(ssh types.Object) Settings {
	return Settings{values: ssh.Attributes(), unknown: ssh.IsUnknown()}
}

// Merge returns the settings for a node: what it has of its own, else the
// provider's.
func (s Settings) Merge(node Settings) Settings {
	merged := Settings{values: maps.Clone(s.values), unknown: s.unknown || node.unknown}
	if merged.values == nil {
		merged.values = make(map[string]attr.Value)
	}
	for _, name := range overridable {
		if value, ok := node.values[name]; ok && !value.IsNull() {
			merged.values[name] = value
		}
	}
	return merged
}

// An UnknownError says which settings are not known yet.
type UnknownError struct {
	// Names are such as ssh.host.
	Names []string
}

// Error names them.
func (e *UnknownError) Error() string {
	return strings.Join(e.Names, ", ") + ": not known before apply"
}

// Config makes the configuration of a connection. Unknown values that matter are
// an *UnknownError; whatever else is wrong, a joined connection.FieldError for
// each field.
func (s Settings) Config() (connection.Config, error) {
	r := &reader{settings: s}
	config := r.config()
	if len(r.unknown) > 0 {
		return connection.Config{}, &UnknownError{Names: r.unknown}
	}
	if err := errors.Join(r.problems...); err != nil {
		return connection.Config{}, err
	}
	return config, config.Check()
}

// Check finds what is wrong with what is known. It is for plan time: a host may
// be missing, since nodes have their own.
func (s Settings) Check() []*connection.FieldError {
	r := &reader{settings: s}
	config := r.config()
	problems := fieldErrors(errors.Join(r.problems...))
	doubtful := make(map[string]bool)
	for _, name := range r.unknown {
		name = strings.TrimPrefix(name, "ssh.")
		doubtful[name] = true
		// A key cannot be judged without its passphrase, nor a certificate without
		// its key.
		doubtful[strings.TrimSuffix(name, "_passphrase")] = true
		doubtful[strings.Replace(name, "private_key", "certificate", 1)] = true
	}
	if config.Host == "" {
		// Nodes have their own; what is said of keys holds for any.
		config.Host = "unknown.invalid"
	}
	for _, problem := range fieldErrors(config.Check()) {
		if !doubtful[problem.Field] {
			problems = append(problems, problem)
		}
	}
	return problems
}

// fieldErrors takes a joined error apart.
func fieldErrors(err error) []*connection.FieldError {
	var found []*connection.FieldError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			found = append(found, fieldErrors(err)...)
		}
		return found
	}
	if problem, ok := errors.AsType[*connection.FieldError](err); ok {
		found = append(found, problem)
	}
	return found
}

// Mask keeps the secrets out of what is logged with the context. Terraform makes
// a new context for each request, so each begins with it.
func (s Settings) Mask(ctx context.Context) context.Context {
	var secrets, names []string
	r := &reader{settings: s}
	for _, f := range fields {
		if !f.secret {
			continue
		}
		names = append(names, f.name)
		if secret := r.text(f.name); secret != "" {
			secrets = append(secrets, secret)
			// Lines of a key may be logged one by one.
			for line := range strings.Lines(secret) {
				if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") {
					secrets = append(secrets, line)
				}
			}
		}
	}
	ctx = tflog.MaskFieldValuesWithFieldKeys(ctx, names...)
	ctx = tflog.MaskAllFieldValuesStrings(ctx, secrets...)
	return tflog.MaskMessageStrings(ctx, secrets...)
}

// reader reads settings, and notes what is unknown or wrong.
type reader struct {
	settings Settings
	unknown  []string
	problems []error
}

// lookup returns the text of a value, of the configuration or else of the
// environment; false if there is none.
func (r *reader) lookup(name string) (string, bool) {
	if r.settings.unknown {
		r.note(name)
		return "", false
	}
	switch value := r.settings.values[name].(type) {
	case types.String:
		if value.IsUnknown() {
			r.note(name)
			return "", false
		}
		if !value.IsNull() {
			return value.ValueString(), true
		}
	case types.Int64:
		if value.IsUnknown() {
			r.note(name)
			return "", false
		}
		if !value.IsNull() {
			return strconv.FormatInt(value.ValueInt64(), 10), true
		}
	case types.Bool:
		if value.IsUnknown() {
			r.note(name)
			return "", false
		}
		if !value.IsNull() {
			return strconv.FormatBool(value.ValueBool()), true
		}
	}
	found := os.Getenv(field{name: name}.variable())
	return found, found != ""
}

func (r *reader) note(name string) {
	if name = "ssh." + name; !slices.Contains(r.unknown, name) {
		r.unknown = append(r.unknown, name)
	}
}

func (r *reader) text(name string) string {
	found, _ := r.lookup(name)
	return found
}

func (r *reader) report(name string, err error) {
	r.problems = append(r.problems, &connection.FieldError{Field: name, Err: err})
}

func (r *reader) port(name string, otherwise int) int {
	found, ok := r.lookup(name)
	if !ok {
		return otherwise
	}
	port, err := strconv.Atoi(found)
	if err != nil || port < 1 || port > 65535 {
		r.report(name, fmt.Errorf("%q is no port", found))
		return otherwise
	}
	return port
}

func (r *reader) truth(name string, otherwise bool) bool {
	found, ok := r.lookup(name)
	if !ok {
		return otherwise
	}
	value, err := strconv.ParseBool(found)
	if err != nil {
		r.report(name, fmt.Errorf("%q is neither true nor false", found))
	}
	return value
}

func (r *reader) duration(name string) time.Duration {
	found, ok := r.lookup(name)
	if !ok {
		return 0
	}
	value, err := time.ParseDuration(found)
	if err != nil || value <= 0 {
		r.report(name, cli.WithHint(fmt.Errorf("%q is no duration", found), "write it as 30s or 5m"))
		return 0
	}
	return value
}

func (r *reader) config() connection.Config {
	config := connection.Config{
		Host: r.text("host"), Port: r.port("port", 0), User: r.text("user"),
		Password: r.text("password"), PrivateKey: r.text("private_key"), Passphrase: r.text("private_key_passphrase"),
		Certificate: r.text("certificate"), Agent: r.truth("agent", connection.HasAgent()), AgentIdentity: r.text("agent_identity"),
		HostKey: r.text("host_key"), KnownHosts: r.text("known_hosts"),
		InsecureIgnoreHostKey: r.truth("insecure_ignore_host_key", false), Timeout: r.duration("timeout"),
	}
	host := r.text("bastion_host")
	if host == "" {
		return config
	}
	bastion := config
	bastion.Host, bastion.Port, bastion.HostKey = host, r.port("bastion_port", config.Port), r.text("bastion_host_key")
	override := func(target *string, name string) bool {
		found, ok := r.lookup(name)
		if ok {
			*target = found
		}
		return ok
	}
	override(&bastion.User, "bastion_user")
	override(&bastion.Password, "bastion_password")
	if override(&bastion.PrivateKey, "bastion_private_key") {
		// What belongs to another key does not belong to this one.
		bastion.Passphrase, bastion.Certificate = "", ""
	}
	override(&bastion.Passphrase, "bastion_private_key_passphrase")
	override(&bastion.Certificate, "bastion_certificate")
	config.Bastion = &bastion
	return config
}
