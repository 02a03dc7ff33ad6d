#!/bin/bash
# The demonstration behind `make demo` and `make demo-down`: builds a bundle of the
# example application, boots three machines that have no way to the internet, and
# makes a cluster of them by a plain terraform apply of examples/demo.
#
#   tools/demo.sh STEP...
#
# The steps are build, machines, apply, show, destroy and remove; up is the first
# four of them, down the others. The lab is DEMO_LAB, Terraform runs in DEMO_DIR,
# and it is TERRAFORM, or the one in PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

lab=$PWD/bin/lab
name=${DEMO_LAB:-demo}
work=${DEMO_DIR:-$PWD/bin/$name}
export CHECKPOINT_DISABLE=1
# A preset file that is not there is a warning in front of everything.
[ -e "${TF_CLI_CONFIG_FILE-}" ] || unset TF_CLI_CONFIG_FILE

bold='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '\n%s==> [%3ds] %s%s\n' "$bold" "$SECONDS" "$*" "$plain"; }

# node runs a command on the first machine.
node() { "$lab" --lab "$name" ssh node-1 -- "$@"; }

# find_terraform sets terraform to what drives the provider.
find_terraform() {
	terraform=${TERRAFORM:-$(command -v terraform || command -v tofu || true)}
	if [ -z "$terraform" ]; then
		say "Build OpenTofu, since there is neither terraform nor tofu (minutes, once)"
		make tofu
		terraform=$(make -s tofu | tail -n 1)
	fi
}

# tf shows a command and runs it where the demonstration's configuration lies.
tf() {
	printf '+ %s -chdir=%s %s\n' "$(basename "$terraform")" "${work#"$PWD"/}" "$*"
	"$terraform" -chdir="$work" "$@"
}

# serve starts a registry with the images of the example and sets registry to its
# HOST:PORT. It ends with the script at the latest.
serve() {
	serving=$(mktemp)
	bin/example-images serve >"$serving" &
	registry_pid=$!
	trap stop_serving EXIT
	until registry=$(sed -n 's/^serving at //p' "$serving") && [ -n "$registry" ]; do
		kill -0 "$registry_pid" 2>/dev/null || {
			wait "$registry_pid"
			exit 1
		}
		sleep 0.1
	done
	head -n -1 "$serving"
}

stop_serving() {
	trap - EXIT
	kill "$registry_pid" 2>/dev/null || true
	wait "$registry_pid" || true
	sed -n 's/^answered/the registry answered/p' "$serving"
	rm -f "$serving"
}

build() {
	find_terraform
	local version
	go build -o bin/runtimes ./runtime/cmd/runtimes
	version=$(bin/runtimes list -o json | jq -r '.[0].version')
	say "Build the Kubernetes runtime $version from source (minutes the first time, then seconds)"
	bin/runtimes build --only "$version"

	say "Build the images of the example application"
	make example-images

	say "Start a registry on this machine, which has the images as a release pipeline's has"
	go build -o bin/example-images ./examples/cmd/example-images
	serve
	say "Build the bundle: application, images, Kubernetes and gravity in one file"
	local command=(tele build examples/apps/ledger -o bin/ledger.tar --overwrite --mirror="gravity.local=$registry")
	echo "+ ${command[*]}"
	"bin/${command[0]}" "${command[@]:1}"
	stop_serving

	say "Install the provider for $(basename "$terraform")"
	make install
}

machines() {
	say "Boot three machines with systemd and sshd, without a way to the internet"
	"$lab" --lab "$name" down >/dev/null 2>&1 || true
	rm -rf "$work"
	"$lab" --lab "$name" up -n 3
}

# configure copies the configuration, and writes what it asks for.
configure() {
	mkdir -p "$work"
	cp examples/demo/*.tf "$work"
	"$lab" --lab "$name" status -o json | jq --arg bundle "$PWD/bin/ledger.tar" '{
		machines: [.machines[] | {(.name): .address}] | add,
		bundle: $bundle,
		ssh: {user: .machines[0].sudo_user, private_key: .machines[0].key_file, known_hosts: .machines[0].known_hosts_file}
	}' >"$work/terraform.tfvars.json"
	# Terraform takes a version that is not released only by its name.
	printf 'terraform {\n  required_providers {\n    gravity = { source = "gravity-platform/gravity", version = "%s" }\n  }\n}\n' \
		"$(bin/terraform-provider-gravity version -o json | jq -r .version)" >"$work/version_override.tf"
	# It has the checksum of another build of the same version.
	rm -f "$work/.terraform.lock.hcl"
}

apply() {
	find_terraform
	configure
	say "Make a cluster of them: init and apply of examples/demo"
	tf init -input=false
	local began=$SECONDS
	tf apply -input=false -auto-approve
	say "Three masters after $((SECONDS - began)) seconds"
}

show() {
	find_terraform
	say "The cluster, as a node sees it"
	node gravity status
	node kubectl get nodes

	say "The application: write a row to one machine, and read it from another"
	local urls
	mapfile -t urls < <("$terraform" -chdir="$work" output -json application | jq -r '.[]')
	echo "+ curl -d 'the first row' ${urls[0]}/rows"
	curl -sS --retry 20 --retry-all-errors -H 'Idempotency-Key: demo' -d "the first row" "${urls[0]}/rows"
	echo "+ curl ${urls[2]}/rows"
	curl -sS --retry 20 --retry-all-errors "${urls[2]}/rows"

	say "It runs. Try next"
	local tf_here
	tf_here="$(basename "$terraform") -chdir=${work#"$PWD"/}"
	if ! command -v "$(basename "$terraform")" >/dev/null; then tf_here="$terraform -chdir=${work#"$PWD"/}"; fi
	cat <<-END
		$tf_here plan                          # no changes
		bin/lab --lab $name kill node-1         # lose a master: the application goes on
		curl ${urls[1]}/rows
		bin/lab --lab $name start node-1        # it comes back by itself
		bin/lab --lab $name ssh node-2 -- sudo gravity plan    # what its join did
		make demo-down                         # terraform destroy, and the machines are gone
	END
}

destroy() {
	find_terraform
	if [ ! -e "$work/terraform.tfstate" ]; then
		echo "there is nothing to destroy in $work" >&2
		return
	fi
	say "Remove the cluster from its machines: destroy"
	tf destroy -input=false -auto-approve
}

remove() {
	say "Remove the machines"
	if [ ! -x "$lab" ]; then
		echo "error: $lab is missing, so no demonstration is running from this checkout" >&2
		exit 1
	fi
	"$lab" --lab "$name" down
	rm -rf "$work"
}

# down removes the machines also if the cluster cannot be removed from them.
down() {
	local failed=
	(destroy) || failed=yes
	remove
	[ -z "$failed" ]
}

# up is a function, since a list of && would go on where a step fails inside.
up() {
	build
	machines
	apply
	show
}

usage() {
	echo "usage: tools/demo.sh up|down|build|machines|apply|show|destroy|remove..." >&2
	exit 2
}

[ $# -gt 0 ] || usage
for step; do
	case $step in
	up | down | build | machines | apply | show | destroy | remove) $step ;;
	*) usage ;;
	esac
done
