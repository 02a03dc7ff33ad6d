#!/bin/bash
# The demonstration behind `make demo` and `make demo-down`: builds a Kubernetes
# runtime, boots machines on this host, and brings Kubernetes up on them from
# nothing but the runtime's artifact.
set -euo pipefail
cd "$(dirname "$0")/.."
lab=bin/lab
name=demo

say() { printf '\n\033[1m==> %s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }

up() {
	local version
	go build -o bin/runtimes ./runtime/cmd/runtimes
	version=$(bin/runtimes list -o json | jq -r '.[0].version')
	say "Build the Kubernetes runtime $version from source (minutes the first time, then seconds)"
	bin/runtimes build --only "$version"

	say "Boot two machines with systemd and sshd, without a way to the internet"
	$lab --lab $name down >/dev/null 2>&1 || true
	$lab --lab $name up -n 2

	say "Bring Kubernetes $version up on them: a master and a worker"
	bin/runtimes trial --lab $name --version "$version" node-1 node-2

	local exec="/var/lib/gravity/master/rootfs/usr/local/bin/runc exec --env KUBECONFIG=/etc/kubernetes/admin.conf gravity-master"
	say "It runs. Try next"
	cat <<-END
		$lab --lab $name status
		$lab --lab $name ssh node-1
		$lab --lab $name exec node-1 -- $exec kubectl get pods -A -o wide
		$lab --lab $name kill node-2    # power off without warning; the node gets NotReady
		make demo-down                  # removes everything
	END
}

case ${1-} in
up) up ;;
down)
	if [ -x $lab ]; then
		$lab --lab $name down
	else
		echo "error: $lab is missing, so no demonstration is running from this checkout" >&2
		exit 1
	fi
	;;
*)
	echo "usage: tools/demo.sh up|down" >&2
	exit 2
	;;
esac
