package install_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// refusal is an installation that must not begin, in a folder with what refusals
// need.
type refusal struct {
	name string
	// prepare and undo are scripts before and after the installation.
	prepare, args, undo string
	// want are parts of the error, separated by lines.
	want string
	// checked tells that there is a plan already, whose first phase fails.
	checked bool
}

// refusals run in order; damage flips a bit of a file.
var refusals = []refusal{
	{"truncated", `head -c -1000 bundle.tar >cut.tar`, "--bundle=cut.tar", "rm cut.tar", "cut.tar", false},
	{"index", `damage app/packages/index.json 100`, "--bundle=app", `damage app/packages/index.json 100`, "packages/index.json", false},
	{"manifest", `damage app/app.yaml 30`, "--bundle=app", `damage app/app.yaml 30`, "app.yaml", false},
	{"missing", ``, "--bundle=nowhere.tar", ``, "nowhere.tar", false},
	{"role", ``, "--role=db", ``, "the application has no node profile \"db\"\nits profiles are: node", false},
	{"flavor", ``, "--flavor=seven", ``, "the application has no flavor \"seven\"\nits flavors are: one", false},
	{"host name", `hostname Bad-Name`, "", `hostname node-1`, "the host name \"Bad-Name\" cannot be the name of a node\nhostnamectl", false},
	{"networks", ``, "--pod-network-cidr=10.100.0.0/16", ``, "overlap", false},
	{"address", ``, "--advertise-addr=192.0.2.77", ``, "this machine has no address 192.0.2.77", false},
	{
		"full disk", `head -c 1M /dev/zero >full/zeros || true`, "--state-dir=$PWD/full/gravity", `rm full/zeros`,
		"no space left on device\nfree space on the file system of ", false,
	},
	{"layer", `damage bundle.tar 50000000`, "--bundle=bundle.tar", `damage bundle.tar 50000000`, "sha256\nbundle.tar is damaged", true},
	{
		"extracted layer", `damage app/packages/blobs/sha256/$largest 5000`, "--bundle=app", `damage app/packages/blobs/sha256/$largest 5000`,
		"sha256\n/app is damaged", true,
	},
	{"program", `damage app/gravity 1000`, "--bundle=app", `damage app/gravity 1000`, "gravity\n/app is damaged", true},
	{
		"port", `systemd-socket-activate --listen=6443 cat >/dev/null 2>&1 & echo $! >pid; until ss -Hltn | grep -q :6443; do sleep 0.1; done`, "",
		`kill $(cat pid)`, "check port\n6443", true,
	},
	{"small disk", ``, "--state-dir=$PWD/small/gravity", ``, "check disk-space\nmount a larger disk", true},
}

const refusalScript = `cd /tmp/refusals
damage() { byte=$(od -An -tu1 -j"$2" -N1 "$1"); printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
largest=$(ls -S app/packages/blobs/sha256 | head -1)
`

// checkRefusals wants what is wrong with a bundle, the command line or the machine
// to be found before the machine is changed, and another attempt to be possible
// by the hint's own words.
func checkRefusals(ctx context.Context, t *testing.T, machine *lab.Machine, bundle string) {
	output(ctx, t, machine, "mkdir -p /tmp/refusals/small /tmp/refusals/full && cp -a /root/app /tmp/refusals && cd /tmp/refusals && mount -t tmpfs -o size=300M none small && mount -t tmpfs -o size=16k none full")
	if err := machine.CopyFileTo(ctx, bundle, "/tmp/refusals/bundle.tar", 0o600); err != nil {
		t.Fatal(err)
	}
	before := output(ctx, t, machine, snapshot)
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			output(ctx, t, machine, refusalScript+r.prepare)
			state := "/tmp/refusals/state"
			args := "--state-dir=" + state + " " + r.args
			if _, other, ok := strings.Cut(r.args, "--state-dir=$PWD"); ok {
				state = "/tmp/refusals" + other
			}
			_, err := machine.Run(ctx, lab.Command{Args: []string{"sh", "-c", refusalScript + "/root/app/gravity install " + args}})
			output(ctx, t, machine, refusalScript+r.undo)
			if err == nil {
				t.Fatal("it was installed")
			}
			for want := range strings.SplitSeq(r.want, "\n") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
			compare(t, before, output(ctx, t, machine, snapshot))
			hint := regexp.MustCompile(`start again after '(.* plan complete)'`).FindStringSubmatch(err.Error())
			if r.checked != (hint != nil) {
				t.Fatalf("checked %v, but: %v", r.checked, err)
			}
			if r.checked {
				equal(ctx, t, machine, "ls "+state, "agent\noperations")
				output(ctx, t, machine, hint[1])
			}
		})
	}
	output(ctx, t, machine, "umount /tmp/refusals/small /tmp/refusals/full && rm -r /tmp/refusals")
}
