package connection

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

// TestSessions: many resources share a connection, and wait for each other when
// the machine allows fewer sessions than they want.
func TestSessions(t *testing.T) {
	for _, options := range []sshtest.Options{{}, {MaxSessions: 1}, {MaxSessions: 3}, {MaxSessions: 1, Linger: 100 * time.Millisecond}} {
		allowed := options.MaxSessions
		t.Run(fmt.Sprint(allowed, options.Linger), func(t *testing.T) {
			server, config := newServer(t, options)
			pool := NewPool(PoolOptions{})
			t.Cleanup(pool.Close)
			var running sync.WaitGroup
			for range 20 {
				running.Go(func() {
					host, err := pool.Get(config)
					if err != nil {
						t.Error(err)
						return
					}
					defer host.Release()
					if _, err := host.Run(t.Context(), Command{Args: []string{"sleep", "0.01"}}); err != nil {
						t.Error(err)
					}
				})
			}
			running.Wait()
			if server.Dials() != 1 {
				t.Errorf("%d connections were made", server.Dials())
			}
			if most := max(allowed, 1); allowed > 0 && server.Peak() > most || server.Peak() > maxSessions {
				t.Errorf("%d sessions were open at once", server.Peak())
			}
		})
	}
}

func TestIdle(t *testing.T) {
	server, config := newServer(t, sshtest.Options{})
	pool := NewPool(PoolOptions{Idle: 10 * time.Millisecond})
	t.Cleanup(pool.Close)
	use := func() {
		host, err := pool.Get(config)
		if err != nil {
			t.Fatal(err)
		}
		output(t, host, "true")
		host.Release()
		host.Release()
	}
	use()
	for {
		pool.mu.Lock()
		left := len(pool.hosts)
		pool.mu.Unlock()
		if left == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	use()
	if server.Dials() != 2 {
		t.Errorf("%d connections were made", server.Dials())
	}
	pool.Close()
	if _, err := pool.Get(config); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed pool: %v", err)
	}
}

func TestBastion(t *testing.T) {
	bastion, through := newServer(t, sshtest.Options{})
	_, config := newServer(t, sshtest.Options{})
	config.Bastion = &through
	pool := NewPool(PoolOptions{})
	t.Cleanup(pool.Close)
	for range 2 {
		host, err := pool.Get(config)
		if err != nil {
			t.Fatal(err)
		}
		output(t, host, "true")
		host.Release()
	}
	if bastion.Dials() != 1 {
		t.Errorf("%d connections to the bastion were made", bastion.Dials())
	}
	// The bastion's connection is made again, too.
	host, err := pool.Get(config)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Release()
	bastion.Drop()
	output(t, host, "true")

	wrong := through
	wrong.HostKey = ""
	config.Bastion = &wrong
	_, err = newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}})
	if _, ok := errors.AsType[*UnknownHostKeyError](err); !ok || !strings.Contains(err.Error(), "bastion") {
		t.Errorf("a bastion that is not known: %v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	config := Config{
		Host: "machine", Password: "secret", PrivateKey: "secret", Passphrase: "secret",
		Bastion: &Config{Host: "bastion", Password: "secret"},
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, config) + fmt.Sprintf(format, &config); strings.Contains(text, "secret") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
