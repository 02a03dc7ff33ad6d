package installtest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Snapshot is a script that prints what an installation changes on a machine.
const Snapshot = `export LC_ALL=C
echo "# processes"; ps -eo comm= --ppid 2 -N | grep -vE '^(ps|sh|sort|grep|uniq|sed)$' | sort -u
echo "# mounts"; findmnt -rn -o TARGET | sort
echo "# units"; systemctl list-unit-files --no-legend --plain | awk '{print $1, $2}' | sort; systemctl list-units --all --no-legend --plain --type=service,mount,scope --state=active,failed | awk '{print $1}' | grep -E 'gravity|kube|var-lib' | sort
echo "# files"; { find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /root/app -o -path /var/log -o -path /var/cache \) -prune -o -print; find /var/lib/gravity /run /tmp -maxdepth 1; } | grep -vE '/run/(systemd|user|log)|systemd-private' | sort
echo "# interfaces"; ip -o link | awk -F': ' '{sub(/@.*/, "", $2); print $2}' | sort; ip route
echo "# filters"; nft list ruleset; iptables-save; ip6tables-save
echo "# ports"; ss -Hltnu | awk '{print $1, $5}' | sort
echo "# settings"; sysctl -a 2>/dev/null | grep -E '^net\.(ipv[46]\.(ip_forward|conf\.(all|default|eth0|lo)\.(forwarding|accept_redirects))|netfilter\.nf_conntrack_tcp_timeout)'
echo "# users"; cat /etc/passwd /etc/group
echo "# cgroups"; find /sys/fs/cgroup -maxdepth 2 -type d | grep -E 'kube|gravity' | sort
true`

// Compare fails the test unless a machine is as it was, by two snapshots.
func Compare(t *testing.T, before, after string) {
	t.Helper()
	if diff := cmp.Diff(Lines(before), Lines(after)); diff != "" {
		t.Errorf("the machine is not as it was (-before +after):\n%s", diff)
	}
}

// Lines are those of a text.
func Lines(text string) []string { return strings.Split(text, "\n") }
