package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

// machine returns a machine of the lab, one or two, and how to reach it as root.
func machine(t *testing.T, name string) (*lab.Machine, connection.Config) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots machines; run without -short")
	}
	if err := lab.Check(); err != nil {
		t.Skip(err)
	}
	if machines == nil {
		var err error
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		machines, err = lab.New(ctx, lab.Options{
			Name: fmt.Sprintf("node-%d", os.Getpid()), Machines: []string{"one", "two"}, Log: os.Stderr,
			Dir: fmt.Sprintf("%s/gravity-node-test-%d", os.TempDir(), os.Getpid()),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	found := machines.Machine(name)
	status, err := found.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found, connection.Config{
		Host: status.Address.String(), Port: status.Port, User: status.User,
		PrivateKey: read(t, status.KeyFile), KnownHosts: read(t, status.KnownHostsFile), Timeout: time.Minute,
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// reach works on a machine. Links that are cut are found within seconds.
func reach(t *testing.T, config connection.Config) (*connection.Host, *Node) {
	t.Helper()
	pool := connection.NewPool(connection.PoolOptions{Keepalive: 200 * time.Millisecond, Silence: 2 * time.Second})
	t.Cleanup(pool.Close)
	host, err := pool.Get(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Release)
	node := New(host, Options{})
	node.longestPause = time.Second
	return host, node
}

// sh runs a script in a machine without the network.
func sh(t *testing.T, machine *lab.Machine, script string) string {
	t.Helper()
	result, err := machine.Run(context.WithoutCancel(t.Context()), lab.Command{Args: []string{"sh", "-euc", script}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(result.Stdout)
}

// sshd configures the machine's sshd for one test.
func sshd(t *testing.T, machine *lab.Machine, settings string) {
	t.Helper()
	const file = "/etc/ssh/sshd_config.d/00-test.conf"
	apply := func(script string) { sh(t, machine, script+"; systemctl reset-failed ssh; systemctl restart ssh") }
	apply(fmt.Sprintf("printf '%%s\n' %s >%s", connection.Quote([]string{settings}), file))
	t.Cleanup(func() { apply("rm -f " + file) })
}

func localDigest(t *testing.T, path string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(read(t, path)))
	return hex.EncodeToString(sum[:])
}
