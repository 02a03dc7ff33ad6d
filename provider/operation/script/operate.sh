#!/bin/sh
# Runs gravity install or gravity join, or goes on with one that was interrupted.
#
#   operate VERB STATE PROGRAM BUNDLE ARGUMENT...
#
# PROGRAM is gravity; if it is not there yet, it comes out of BUNDLE.
set -eu
umask 022
verb=$1 state=$2 program=$3 bundle=$4
shift 4

if [ ! -e "$program" ]; then
	folder=$(mktemp -d "${program%/*}/program.XXXXXX")
	tar --extract --occurrence=1 --directory="$folder" --file="$bundle" gravity
	sync "$folder/gravity"
	mv "$folder/gravity" "$program"
	rmdir "$folder"
fi
chmod 0755 "$program"
if [ -n "$(ls "$state/operations" 2>/dev/null)" ]; then
	exec "$program" "$verb" --resume -o json
fi
exec "$program" "$verb" "$@" -o json
