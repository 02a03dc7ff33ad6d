#!/bin/sh
# Runs the command of a record and writes down how it ended.
#
#   run DIRECTORY INPUT
set -eu
umask 077
directory=$1 input=$2
exec <"$input"
rm -f "$input"
code=0
/bin/sh "$directory/command" >"$directory/stdout" 2>"$directory/stderr" || code=$?
cd "$directory"
echo $code >exit.partial
sync exit.partial stdout stderr
mv exit.partial exit
sync .
