#!/bin/sh
# Receives a file, going on where an earlier attempt stopped.
#
#   upload DIRECTORY NAME SIZE OWNER STALL
#
# It talks to the client on standard input and output:
#
#   > wait                      another client sends the same; at most each second
#   > present                   the file is there; the end
#   > have BYTES SHA256 FREE    what is there of it, and the free space; the client
#   < OFFSET                    answers 0 or BYTES and sends the rest of the file,
#   < SHA256                    then a line with the digest of the whole file
#   > stored                    the file is there; the end
#   > damaged                   it is not what was sent, and was removed; the end
#
# One process at a time has the lock. A client that lost its connection leaves
# one behind that waits for input, which sshd may not notice for hours: the same
# client (OWNER) ends it at once, another one when nothing came for STALL seconds.
set -eu
umask 077
export LC_ALL=C
directory=$1 name=$2 size=$3 owner=$4 stall=$5

# take_over ends the process that has the lock if nobody sends to it.
take_over() {
	read -r pid receiver who <holder || return 0
	[ "$receiver" != - ] || return 0
	if [ "$who" != "$owner" ]; then
		last=$(stat -c %Y holder partial 2>/dev/null | sort -n | tail -n 1)
		[ $(($(date +%s) - last)) -ge "$stall" ] || return 0
	fi
	for process in "$pid" "$receiver"; do
		# Only if it is still the process that wrote it down.
		[ "$(readlink "/proc/$process/fd/9")" != "$PWD/lock" ] || kill "$process" 2>/dev/null || :
	done
}

# held writes down who has the lock, and which process waits for input.
held() {
	echo "$$ $1 $owner" >holder
}

free() {
	stat -f -c '%a %S' . | { read -r blocks length && echo $((blocks * length)); }
}

digest() {
	sha256sum <"$1" | cut -d ' ' -f 1
}

# Everybody may look into the state folder itself.
(umask 022 && mkdir -p "${directory%/*/*}")
mkdir -p "$directory"
cd -P "$directory"
exec 3<&0 9>>lock
while :; do
	code=0
	flock -w 1 -E 75 9 || code=$?
	[ $code != 0 ] || break
	[ $code = 75 ] || exit $code
	[ ! -e holder ] || take_over 2>/dev/null
	echo wait
done
held -
if [ -e "$name" ] && [ "$(stat -c %s "$name")" = "$size" ]; then
	echo present
	exit
fi

[ -e partial ] || : >partial
have=$(stat -c %s partial)
if [ "$have" -gt "$size" ]; then
	: >partial
	have=0
fi
sum=$(digest partial)
held $$
touch partial
echo "have $have $sum $(free)"
read -r offset <&3
[ "$offset" = "$have" ] || : >partial

head -c $((size - offset)) <&3 >>partial &
receiver=$!
held $receiver
wait $receiver || {
	# A full disk hurts all that runs on it.
	[ "$(free)" -gt 1048576 ] || rm -f partial
	exit 1
}
held $$
read -r want <&3 || {
	echo "the client went away" >&2
	exit 1
}
held -
if [ "$(digest partial)" != "$want" ]; then
	rm -f partial
	echo damaged
	exit
fi
sync partial
mv -f partial "$name"
sync .
rm -f holder
echo stored
