package member

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"go.uber.org/zap"
)

// asEtcd makes the test's executable the etcd server.
const asEtcd = "LEDGER_TEST_ETCD"

func TestMain(m *testing.M) {
	if os.Getenv(asEtcd) != "" {
		etcdmain.Main(os.Args)
		return
	}
	os.Exit(m.Run())
}

// database is three members on addresses of the loopback network.
type database struct {
	t       *testing.T
	peers   []Peer
	volumes []string
	running []*running
}

type running struct {
	stop   context.CancelFunc
	done   chan struct{}
	err    error
	output lockedBuffer
}

// lockedBuffer is written by etcd and by the log.
type lockedBuffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.String()
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	t.Setenv(asEtcd, "1")
	d := &database{t: t, running: make([]*running, 3)}
	network := fmt.Sprintf("127.%d.%d.", 1+rand.IntN(250), rand.IntN(250))
	folder := t.TempDir()
	for i := range 3 {
		d.peers = append(d.peers, Peer{Name: fmt.Sprint("db-", i), Host: network + fmt.Sprint(i+1)})
		d.volumes = append(d.volumes, filepath.Join(folder, fmt.Sprint(i)))
	}
	t.Cleanup(func() {
		d.stop(0, 1, 2)
		if t.Failed() {
			for i, r := range d.running {
				t.Logf("member %d:\n%s", i, r.output.String())
			}
		}
	})
	return d
}

func (d *database) start(members ...int) {
	d.t.Helper()
	for _, i := range members {
		if err := os.MkdirAll(d.volumes[i], 0o700); err != nil {
			d.t.Fatal(err)
		}
		r := &running{done: make(chan struct{})}
		self, err := New(Options{
			Name: d.peers[i].Name, Peers: d.peers, Volume: d.volumes[i], Listen: d.peers[i].Host,
			Etcd: []string{os.Args[0], "--heartbeat-interval=50", "--election-timeout=500"}, Output: &r.output, Patience: time.Second,
			Log: slog.New(slog.NewTextHandler(&r.output, nil)),
		})
		if err != nil {
			d.t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		r.stop = cancel
		d.running[i] = r
		go func() {
			defer close(r.done)
			r.err = self.Run(ctx)
		}()
	}
}

func (d *database) stop(members ...int) {
	for _, i := range members {
		if r := d.running[i]; r != nil {
			r.stop()
			<-r.done
			if r.err != nil {
				d.t.Errorf("member %d: %v", i, r.err)
			}
		}
	}
}

// lose empties a volume, as the loss of its node does.
func (d *database) lose(member int) {
	d.t.Helper()
	if err := os.RemoveAll(d.volumes[member]); err != nil {
		d.t.Fatal(err)
	}
}

// with calls work with a client of one member until it succeeds.
func (d *database) with(member int, work func(ctx context.Context, client *clientv3.Client) error) {
	d.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{d.peers[member].clientURL()}, Logger: zap.NewNop()})
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	for {
		bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := work(bounded, client)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			d.t.Fatalf("member %d: %v", member, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (d *database) put(member int, key string) {
	d.t.Helper()
	d.with(member, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.Put(ctx, key, key)
		return err
	})
}

// check wants a member to have keys itself, and the cluster to have three
// members that all have started.
func (d *database) check(member int, keys ...string) {
	d.t.Helper()
	d.with(member, func(ctx context.Context, client *clientv3.Client) error {
		for _, key := range keys {
			found, err := client.Get(ctx, key, clientv3.WithSerializable())
			if err != nil {
				return err
			}
			if len(found.Kvs) != 1 {
				return fmt.Errorf("%s is missing", key)
			}
		}
		list, err := client.MemberList(ctx)
		if err != nil {
			return err
		}
		for _, member := range list.Members {
			if len(member.ClientURLs) == 0 {
				return fmt.Errorf("member %x has not started", member.ID)
			}
		}
		if len(list.Members) != 3 {
			return fmt.Errorf("there are %d members", len(list.Members))
		}
		return nil
	})
}

// waits wants a member to say why it waits.
func (d *database) waits(member int, reason string) {
	d.t.Helper()
	for range 300 {
		if strings.Contains(d.running[member].output.String(), reason) {
			return
		}
		select {
		case <-d.t.Context().Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	d.t.Fatalf("member %d does not wait because %q", member, reason)
}

func (d *database) hasData(member int) bool {
	files, _ := filepath.Glob(filepath.Join(d.volumes[member], dataFolder, "wal", "*.wal"))
	return len(files) > 0
}

// TestLife goes through what happens to a database.
func TestLife(t *testing.T) {
	if testing.Short() {
		t.Skip("starts etcd many times; run without -short")
	}
	d := newDatabase(t)

	t.Log("two of three found no cluster")
	d.start(0, 1)
	d.waits(0, "db-2 does not answer")
	d.start(2)
	d.put(0, "a")
	for i := range 3 {
		d.check(i, "a")
	}

	t.Log("all stop; two of them go on, then the third")
	d.stop(0, 1, 2)
	d.start(1, 2)
	d.put(1, "b")
	d.start(0)
	d.check(0, "a", "b")

	t.Log("a volume is lost while the others run")
	old := d.volumes[2] + ".old"
	d.stop(2)
	if err := os.Rename(d.volumes[2], old); err != nil {
		t.Fatal(err)
	}
	d.put(0, "c")
	d.start(2)
	d.check(2, "a", "b", "c")

	t.Log("the old volume comes back")
	d.stop(2)
	d.lose(2)
	if err := os.Rename(old, d.volumes[2]); err != nil {
		t.Fatal(err)
	}
	d.start(2)
	d.check(2, "a", "b", "c")
	if aside, _ := filepath.Glob(filepath.Join(d.volumes[2], removedPrefix+"*")); len(aside) != 1 {
		t.Errorf("set aside: %q", aside)
	}

	t.Log("all stop, a volume is lost, and its member starts first")
	d.stop(0, 1, 2)
	d.lose(0)
	d.start(0)
	d.waits(0, "does not answer")
	d.start(1)
	d.waits(0, "db-2 does not answer")
	d.start(2)
	d.check(0, "a", "b", "c")

	t.Log("two volumes are lost: what is left is no majority, and nothing is founded")
	d.stop(0, 1, 2)
	for _, i := range []int{0, 1} {
		if err := os.Rename(d.volumes[i], d.volumes[i]+".kept"); err != nil {
			t.Fatal(err)
		}
	}
	d.start(0, 1, 2)
	d.waits(0, "db-2 has data")
	d.waits(1, "db-2 has data")
	if d.hasData(0) || d.hasData(1) {
		t.Fatal("members without data began a cluster beside one that exists")
	}

	t.Log("one of the volumes is found again")
	d.stop(0)
	d.lose(0)
	if err := os.Rename(d.volumes[0]+".kept", d.volumes[0]); err != nil {
		t.Fatal(err)
	}
	d.start(0)
	d.check(1, "a", "b", "c")
}

// TestOtherCluster wants a volume of another cluster to be refused.
func TestOtherCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts etcd many times; run without -short")
	}
	d := newDatabase(t)
	d.start(0, 1, 2)
	d.put(0, "a")
	d.stop(0, 1, 2)
	foreign := d.volumes[2] + ".foreign"
	if err := os.Rename(d.volumes[2], foreign); err != nil {
		t.Fatal(err)
	}
	d.lose(0)
	d.lose(1)
	d.start(0, 1, 2)
	d.put(0, "b")
	d.check(2, "b")
	d.stop(2)
	d.lose(2)
	if err := os.Rename(foreign, d.volumes[2]); err != nil {
		t.Fatal(err)
	}
	d.start(2)
	<-d.running[2].done
	if err := d.running[2].err; err == nil || !strings.Contains(err.Error(), "data of cluster") {
		t.Errorf("a volume of another cluster gives %v", err)
	}
	d.running[2].err = nil
}

func TestAgree(t *testing.T) {
	fresh := func(name, number string) greeting { return greeting{Name: name, Number: number} }
	founded := func(name, number string, agreed map[string]string) greeting {
		return greeting{Name: name, Number: number, Agreed: agreed, Data: true}
	}
	ours := map[string]string{"a": "1", "b": "2", "c": "3"}
	for _, test := range []struct {
		name   string
		others []greeting
		token  map[string]string // nil for an error
	}{
		{"all new", []greeting{fresh("b", "2"), fresh("c", "3")}, ours},
		{"one was faster", []greeting{founded("b", "2", ours), fresh("c", "3")}, ours},
		{"one was faster, the third was lost since", []greeting{founded("b", "2", ours), fresh("c", "4")}, ours},
		{"our volume was lost since", []greeting{founded("b", "2", map[string]string{"a": "0", "b": "2", "c": "3"}), fresh("c", "3")}, nil},
		{"one joined a cluster", []greeting{{Name: "b", Number: "2", Data: true}, fresh("c", "3")}, nil},
	} {
		agreed, err := agree("a", "1", test.others)
		if (err == nil) != (test.token != nil) || err == nil && token(agreed) != token(test.token) {
			t.Errorf("%s: %v (%v), want %v", test.name, agreed, err, test.token)
		}
	}
	if token(ours) == token(map[string]string{"a": "1", "b": "2", "c": "4"}) {
		t.Error("other volumes found a cluster of the same name")
	}
}
