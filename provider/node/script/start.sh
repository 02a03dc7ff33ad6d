#!/bin/sh
# Starts a command that goes on without the client, once for each record.
#
#   start DIRECTORY RUNTIME UNIT DESCRIPTION COMMAND RUN
#
# DIRECTORY is the record, COMMAND a line of shell, RUN the script that runs it.
# Standard input is the command's; until it starts it lies in RUNTIME, in memory.
# Prints started, or attached if it runs or has ended. A command that was cut off,
# by a power failure for instance, is started again.
set -eu
umask 077
directory=$1 runtime=$2 unit=$3 description=$4 command=$5 run=$6

# Everybody may look into the state folder itself.
(umask 022 && mkdir -p "${directory%/*/*}")
mkdir -p "$directory" "$runtime"
cd -P "$directory"
exec 9>>lock
flock 9
case $(systemctl show --property=ActiveState --value "$unit.service") in
inactive | failed) ;;
*)
	echo attached
	exit
	;;
esac
if [ -e exit ]; then
	echo attached
	exit
fi
cat >"$runtime/$unit"
printf '%s\n' "$command" >"$PWD/command"
printf '%s\n' "$run" >run
: >stdout
: >stderr
sync .
systemctl reset-failed "$unit.service" 2>/dev/null || :
systemd-run --quiet --collect --unit="$unit" --description="$description" --working-directory=/ \
	-- /bin/sh "$PWD/run" "$PWD" "$runtime/$unit" 9>&-
echo started
