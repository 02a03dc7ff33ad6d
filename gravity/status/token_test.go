package status

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

const apiState = "/api/v1/namespaces/gravity-system/configmaps/cluster"

// joinToken is the Secret of a token.
func joinToken(expires time.Time) string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"join-token-install"},"data":{"key":%q,"expires":%q}}`,
		encode([]byte("key")), encode([]byte(expires.Format(time.RFC3339))))
}

// TestToken shows the token that a master keeps unless the cluster does not take it
// any more.
func TestToken(t *testing.T) {
	const secret = "/api/v1/namespaces/gravity-system/secrets/join-token-install"
	state := `{"apiVersion":"v1","kind":"ConfigMap","data":{"state":"active","service_uid":"1000","service_gid":"1000"}}`
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	worker := *master
	worker.Master = false
	for name, test := range map[string]struct {
		node    *node.Node
		kept    string
		answers map[string]string
		shown   report.StatusToken
		fails   string
	}{
		"good":       {master, "opensesame", map[string]string{apiState: state, secret: joinToken(later)}, report.StatusToken{Token: "opensesame", Expires: later}, ""},
		"expired":    {master, "opensesame", map[string]string{apiState: state, secret: joinToken(later.Add(-2 * time.Hour))}, report.StatusToken{Problem: "it has expired"}, "there is no join token: it has expired"},
		"removed":    {master, "opensesame", map[string]string{apiState: state}, report.StatusToken{Problem: "it was removed"}, "there is no join token: it was removed"},
		"not kept":   {master, "", map[string]string{apiState: state}, report.StatusToken{Problem: "it was removed"}, "there is no join token: it was removed"},
		"installing": {master, "opensesame", map[string]string{}, report.StatusToken{Token: "opensesame"}, ""},
		"unreadable": {master, "opensesame", map[string]string{apiState: state, secret: `{"apiVersion":"v1","kind":"Secret"}`}, report.StatusToken{Token: "opensesame"}, ""},
		"worker":     {&worker, "", nil, report.StatusToken{}, "the join token is kept on masters"},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string]string{"/api/v1/nodes": apiNodes, "/api/v1/namespaces/default/services": `{"apiVersion":"v1","kind":"ServiceList","items":[]}`}
			maps.Copy(answers, test.answers)
			p := installed(t, answers)
			if test.kept != "" {
				if err := paths.WriteFile(p.Token(), []byte(test.kept+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := collector{paths: p, node: test.node, status: &report.Status{}}
			c.status.Cluster.Token.Token = test.kept
			if err := c.askCluster(t.Context()); err != nil && test.answers[apiState] != "" {
				t.Fatal(err)
			}
			if c.status.Cluster.Token != test.shown {
				t.Errorf("%+v is shown, want %+v", c.status.Cluster.Token, test.shown)
			}
			got, err := Token(t.Context(), p, test.node)
			if got != test.shown.Token || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("the token is %q, %v; want the error %q", got, err, test.fails)
			}
			if hints := strings.Join(cli.Hints(err), ""); test.shown.Problem != "" && !strings.Contains(hints, "gravity token create") {
				t.Errorf("the hints are %q", hints)
			}
		})
	}
}

// TestTokenWithoutCluster shows what a master keeps while nobody answers.
func TestTokenWithoutCluster(t *testing.T) {
	p := installed(t, nil)
	if err := os.Remove(p.KubernetesFile("admin.conf")); err != nil {
		t.Fatal(err)
	}
	if err := paths.WriteFile(p.Token(), []byte("opensesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Token(t.Context(), p, master); got != "opensesame" || err != nil {
		t.Errorf("the token is %q, %v", got, err)
	}
}
