package access

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"
	"github.com/hashicorp/terraform-plugin-log/tflogtest"
	"golang.org/x/crypto/ssh"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

// clean is an environment without agent, known hosts and settings.
func clean(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	for _, f := range fields {
		t.Setenv(f.variable(), "")
	}
}

func settings(values map[string]attr.Value) Settings { return Settings{values: values} }

func str(value string) attr.Value { return types.StringValue(value) }

func TestConfig(t *testing.T) {
	clean(t)
	key, private := sshtest.Key(t)
	_, other := sshtest.Key(t)
	hostKey := "ssh-ed25519 " + strings.Fields(string(marshal(key)))[1]
	for name, test := range map[string]struct {
		values      map[string]attr.Value
		environment map[string]string
		want        connection.Config
	}{
		"defaults": {
			map[string]attr.Value{"host": str("machine")},
			nil,
			connection.Config{Host: "machine"},
		},
		"all": {
			map[string]attr.Value{
				"host": str("machine"), "port": types.Int64Value(2222), "user": str("admin"), "password": str("p"),
				"private_key": str(private), "host_key": str(hostKey), "timeout": str("30s"),
				"agent": types.BoolValue(true), "agent_identity": str("me"), "insecure_ignore_host_key": types.BoolValue(true),
			},
			nil,
			connection.Config{
				Host: "machine", Port: 2222, User: "admin", Password: "p", PrivateKey: private, HostKey: hostKey,
				Timeout: 30 * time.Second, Agent: true, AgentIdentity: "me", InsecureIgnoreHostKey: true,
			},
		},
		"environment": {
			map[string]attr.Value{"host": str("machine"), "user": types.StringNull()},
			map[string]string{
				"TF_GRAVITY_SSH_HOST": "other", "TF_GRAVITY_SSH_USER": "admin", "TF_GRAVITY_SSH_PORT": "23",
				"TF_GRAVITY_SSH_INSECURE_IGNORE_HOST_KEY": "true", "SSH_AUTH_SOCK": "/agent",
			},
			connection.Config{Host: "machine", User: "admin", Port: 23, InsecureIgnoreHostKey: true, Agent: true},
		},
		"bastion": {
			map[string]attr.Value{
				"host": str("machine"), "port": types.Int64Value(2222), "user": str("admin"), "password": str("p"),
				"private_key": str(private), "private_key_passphrase": str("open"), "host_key": str(hostKey),
				"bastion_host": str("bastion"), "bastion_private_key": str(other), "bastion_user": str("guest"),
			},
			nil,
			connection.Config{
				Host: "machine", Port: 2222, User: "admin", Password: "p", PrivateKey: private, Passphrase: "open", HostKey: hostKey,
				Bastion: &connection.Config{Host: "bastion", Port: 2222, User: "guest", Password: "p", PrivateKey: other},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range test.environment {
				t.Setenv(name, value)
			}
			got, err := settings(test.values).Config()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty(), cmp.Transformer("fields", func(c connection.Config) any {
				type plain connection.Config
				return plain(c)
			})); diff != "" {
				t.Errorf("mismatch (-want +got)\n%s", diff)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	clean(t)
	provider := settings(map[string]attr.Value{"host": str("first"), "user": str("admin"), "password": str("p"), "port": types.Int64Value(1)})
	node := NewSettings(types.ObjectValueMust(NodeTypes(), map[string]attr.Value{
		"host": str("second"), "port": types.Int64Value(2), "user": types.StringNull(), "host_key": types.StringNull(),
	}))
	config, err := provider.Merge(node).Config()
	if err != nil || config.String() != "admin@second:2" || config.Password != "p" {
		t.Errorf("merged is %s: %v", config, err)
	}
	for name, nothing := range map[string]types.Object{"null": types.ObjectNull(NodeTypes()), "zero": {}} {
		if config, err := provider.Merge(NewSettings(nothing)).Config(); err != nil || config.String() != "admin@first:1" {
			t.Errorf("merged with %s is %s: %v", name, config, err)
		}
	}
}

// TestUnknown: what is not known is an error of who needs it, not of a plan.
func TestUnknown(t *testing.T) {
	clean(t)
	for name, unknown := range map[string]Settings{
		"host":     settings(map[string]attr.Value{"host": types.StringUnknown()}),
		"port":     settings(map[string]attr.Value{"host": str("machine"), "port": types.Int64Unknown()}),
		"agent":    settings(map[string]attr.Value{"host": str("machine"), "agent": types.BoolUnknown()}),
		"password": NewSettings(types.ObjectUnknown(NodeTypes())),
	} {
		if problems := unknown.Check(); len(problems) > 0 {
			t.Errorf("%s is unknown, and a problem: %v", name, problems[0])
		}
		_, err := unknown.Config()
		missing, ok := errors.AsType[*UnknownError](err)
		if !ok || !strings.Contains(missing.Error(), "ssh."+name) {
			t.Errorf("%s is unknown: %v", name, err)
		}
	}
	// A node that is known does not wait for what it overrides.
	merged := settings(map[string]attr.Value{"host": types.StringUnknown()}).Merge(settings(map[string]attr.Value{"host": str("machine")}))
	if _, err := merged.Config(); err != nil {
		t.Errorf("an unknown host that a node overrides: %v", err)
	}
}

func TestCheck(t *testing.T) {
	clean(t)
	key, _ := sshtest.Key(t)
	hostKey := string(marshal(key))
	for name, test := range map[string]struct {
		values      map[string]attr.Value
		environment map[string]string
		want        string
	}{
		"nothing":     {nil, nil, ""},
		"port":        {map[string]attr.Value{"port": types.Int64Value(0)}, nil, "port"},
		"timeout":     {map[string]attr.Value{"timeout": str("5")}, nil, "timeout"},
		"key":         {map[string]attr.Value{"private_key": str("~/.ssh/id")}, nil, "private_key"},
		"host key":    {map[string]attr.Value{"host_key": str(hostKey)}, nil, ""},
		"bastion key": {map[string]attr.Value{"bastion_host": str("b"), "bastion_host_key": str("x")}, nil, "bastion_host_key"},
		"environment": {nil, map[string]string{"TF_GRAVITY_SSH_AGENT": "maybe", "TF_GRAVITY_SSH_PORT": "ssh"}, "port agent"},
		"passphrase":  {map[string]attr.Value{"private_key": str("?"), "private_key_passphrase": types.StringUnknown()}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range test.environment {
				t.Setenv(name, value)
			}
			var found []string
			for _, problem := range settings(test.values).Check() {
				found = append(found, problem.Field)
			}
			if got := strings.Join(found, " "); got != test.want {
				t.Errorf("wrong are %q instead of %q", got, test.want)
			}
		})
	}
}

func TestMask(t *testing.T) {
	clean(t)
	_, private := sshtest.Key(t)
	t.Setenv("TF_GRAVITY_SSH_BASTION_PASSWORD", "environment-4713")
	var log bytes.Buffer
	ctx := tflogtest.RootLogger(context.Background(), &log)
	ctx = settings(map[string]attr.Value{"password": str("swordfish-4711"), "private_key": str(private)}).Mask(ctx)
	line := strings.Split(private, "\n")[2]
	tflog.Info(ctx, "with swordfish-4711 and "+line, map[string]any{
		"password": "anything", "other": "is environment-4713", "key": private,
	})
	for _, secret := range []string{"swordfish-4711", "environment-4713", "anything", line} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s is in the log: %s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "***") {
		t.Errorf("nothing was logged: %s", log.String())
	}
}

func marshal(key ssh.Signer) []byte { return ssh.MarshalAuthorizedKey(key.PublicKey()) }
