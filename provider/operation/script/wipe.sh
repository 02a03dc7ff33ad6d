#!/bin/sh
# Removes Gravity from this machine, whatever state it is in.
#
#   wipe STATE PROGRAM
set -eu
state=$1 program=$2

installed=$(command -v gravity || :)
if [ -n "$installed" ]; then
	program=$installed
fi
if [ -e "$state/operations" ] || [ -e "$state/node.json" ]; then
	# What Terraform left goes with it.
	exec "$program" leave --force --confirm -o json
fi
rm -rf "$state/uploads" "$state/detached"
rmdir "$state" 2>/dev/null || :
