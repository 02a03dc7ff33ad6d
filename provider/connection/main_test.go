package connection

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct horse"

// newServer starts a server with a password, and the configuration for it.
func newServer(t *testing.T, options sshtest.Options) (*sshtest.Server, Config) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	options.Password = password
	server := sshtest.New(t, options)
	return server, Config{
		Host: "127.0.0.1", Port: server.Port, Password: password, HostKey: server.HostKey, Timeout: 10 * time.Second,
	}
}

// newHost returns the machine of a configuration in a pool of the test's own.
func newHost(t *testing.T, config Config) *Host {
	t.Helper()
	pool := NewPool(PoolOptions{})
	t.Cleanup(pool.Close)
	host, err := pool.Get(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Release)
	return host
}

func output(t *testing.T, host *Host, args ...string) string {
	t.Helper()
	result, err := host.Run(t.Context(), Command{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	return string(result.Stdout)
}
