#!/bin/sh
# Tells whether Gravity has gone from this machine, or what is still there.
#
#   gone STATE
set -eu
state=$1

for path in "$state/operations" "$state/node.json" "$state/uploads" "$state/detached" /etc/systemd/system/gravity-uninstall.service; do
	if [ -e "$path" ]; then
		echo "$path"
		exit
	fi
done
echo gone
