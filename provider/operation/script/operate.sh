#!/bin/sh
# Runs gravity install or gravity join, or goes on with one that was interrupted.
#
#   operate VERB STATE PROGRAM BUNDLE INDEX DIGEST COUNT KEY... ARGUMENT...
#
# PROGRAM is gravity; if it is not there yet, it comes out of BUNDLE. INDEX is the
# SHA-256 of the bundle's index.json, DIGEST that of the program; what has another
# one is not executed. A dash stands for what is not known. KEY are COUNT public
# keys in PEM, by which gravity judges the bundle.
set -eu
umask 022
verb=$1 state=$2 program=$3 bundle=$4 index=$5 digest=$6 count=$7
shift 7

# refuse ends as gravity does that was started with -o json.
refuse() {
	printf '{"error":"%s","hints":["%s"],"code":1}\n' "$1" "$2" >&2
	exit 1
}

sha256() {
	sha256sum | cut -d ' ' -f 1
}

keys=${program%/*}/trusted
rm -rf "$keys"
if [ "$count" -gt 0 ]; then
	mkdir -p "$keys"
	for number in $(seq "$count"); do
		printf '%s\n' "$1" >"$keys/$number.pem"
		shift
	done
	set -- "$@" "--trusted-key=$keys"
fi

if [ "$index" != - ] && [ -e "$bundle" ]; then
	found=$(tar --extract --occurrence=1 --to-stdout --file="$bundle" packages/index.json | sha256)
	if [ "$found" != "$index" ]; then
		rm -f "$bundle"
		refuse "the bundle that arrived is sha256:$found, and sha256:$index was planned" "plan and apply again: that sends the bundle again"
	fi
fi

# expect refuses a program that is not the one of the bundle's index.
expect() {
	[ "$digest" != - ] || return 0
	found=$(sha256 <"$1")
	[ "$found" != "$digest" ] || return 0
	rm -rf "$1" "$bundle" "${folder:-}"
	refuse "the program in the bundle is sha256:$found, and the bundle's index lists sha256:$digest" \
		"ask for an intact bundle: 'tele verify' tells what is damaged"
}

if [ -e "$program" ]; then
	expect "$program"
else
	folder=$(mktemp -d "${program%/*}/program.XXXXXX")
	tar --extract --occurrence=1 --directory="$folder" --file="$bundle" gravity
	# Others run what has the name.
	expect "$folder/gravity"
	sync "$folder/gravity"
	mv "$folder/gravity" "$program"
	rmdir "$folder"
fi
chmod 0755 "$program"
if [ -n "$(ls "$state/operations" 2>/dev/null)" ]; then
	exec "$program" "$verb" --resume -o json
fi
exec "$program" "$verb" "$@" -o json
