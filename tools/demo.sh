#!/bin/bash
# The demonstration behind `make demo` and `make demo-down`: builds a Kubernetes
# runtime and a bundle of the example application, boots a machine that has no
# way to the internet, and installs the bundle there as its guide says.
set -euo pipefail
cd "$(dirname "$0")/.."
lab=bin/lab
name=demo

say() { printf '\n\033[1m==> %s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }

# node runs a command on the machine.
node() { $lab --lab $name ssh node-1 -- "$@"; }

up() {
	local version
	go build -o bin/runtimes ./runtime/cmd/runtimes
	version=$(bin/runtimes list -o json | jq -r '.[0].version')
	say "Build the Kubernetes runtime $version from source (minutes the first time, then seconds)"
	bin/runtimes build --only "$version"

	say "Build the images of the example application"
	make example-images

	say "Build the bundle: application, images, Kubernetes and gravity in one file"
	bin/tele build examples/apps/ledger -o bin/ledger.tar --overwrite

	say "Boot a machine with systemd and sshd, without a way to the internet"
	$lab --lab $name down >/dev/null 2>&1 || true
	$lab --lab $name up -n 1

	say "Copy the bundle there, and install it"
	node 'cat > /root/ledger.tar' <bin/ledger.tar
	node 'mkdir -p /root/ledger && tar -xf /root/ledger.tar -C /root/ledger && cd /root/ledger && ./install --cluster=demo'

	say "The cluster"
	node gravity status
	node kubectl get nodes,pods -A

	say "The application: write a row, and list all rows"
	local address
	address=$($lab --lab $name status -o json | jq -r '.machines[] | select(.name == "node-1").address')
	curl -sS -d "the first row" "http://$address:30080/rows"
	curl -sS "http://$address:30080/rows"

	say "It runs. Try next"
	cat <<-END
		curl -d 'another row' http://$address:30080/rows
		$lab --lab $name ssh node-1
		$lab --lab $name ssh node-1 -- gravity plan            # what the installation did
		$lab --lab $name ssh node-1 -- gravity exec systemctl status  # inside the master container
		$lab --lab $name kill node-1 && $lab --lab $name start node-1   # power failure: it comes back by itself
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
