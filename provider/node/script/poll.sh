#!/bin/sh
# Prints how far a command is that was started by start.sh, then new lines of its
# standard error.
#
#   poll DIRECTORY UNIT OFFSET LIMIT
#
# The first line is STATE CODE, with - for no code; the rest begins at OFFSET of
# standard error and has LIMIT bytes at most. States are absent, running, ended,
# and interrupted for one that neither runs nor has ended.
set -eu
directory=$1 unit=$2 offset=$3 limit=$4

if [ ! -e "$directory/command" ]; then
	echo absent -
	exit
fi
cd "$directory"
# In this order: a command that ends in between has written its code.
active=$(systemctl show --property=ActiveState --value "$unit.service")
if [ -e exit ]; then
	echo "ended $(cat exit)"
elif [ "$active" != inactive ] && [ "$active" != failed ]; then
	echo running -
else
	echo interrupted -
fi
tail -c "+$((offset + 1))" stderr | head -c "$limit"
