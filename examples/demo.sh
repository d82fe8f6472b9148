#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Shows vipc with real programs, each a process of its own, and checks what it
# shows: the exit status is 0 only if all went as it should. Needs /dev/vipc,
# debugfs, and this folder's programs in PATH or beside it. Works in busybox sh.
set -eu

case $0 in
*/*) PATH=$(cd "${0%/*}" && pwd):$(cd "${0%/*}" && pwd)/../build/examples:$PATH ;;
esac
stats=/sys/kernel/debug/vipc/stats
tmp=$(mktemp -d)
socket=$tmp/kv
server='' workers=''

cleanup()
{
	status=$?
	# shellcheck disable=SC2086 # one word per process
	[ -z "$server$workers" ] || kill $workers $server 2>/dev/null || :
	rm -rf "$tmp"
	[ $status -eq 0 ] || echo "demo: FAILED"
}
trap cleanup EXIT

say() { printf '\n--- %s\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }
client() { kv_client "$socket" "$@"; }

# expect STATUS COMMAND...: it must end with that status.
expect()
{
	want=$1
	shift
	got=0
	"$@" || got=$?
	[ "$got" -eq "$want" ] || fail "'$*' ended with $got instead of $want"
}

# until_true COMMAND...: within 20 s.
until_true()
{
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "'$*' still fails after 20 s"
		sleep 0.1
	done
}

# show LOG PROGRAM...: it must end well; what it said is in LOG, for said.
show()
{
	log=$tmp/$1
	shift
	"$@" >"$log" 2>&1 || { cat "$log"; fail "'$*' ended with $?"; }
	cat "$log"
}

said() { grep -qxF "$1" "$log" || fail "nobody said: $1"; }

value() { sed -n "s/^$1 //p" $stats; }

# counter_of NAME: how far its worker is ("alice: slot-0 = alice:160" -> 160)
counter_of() { client "$1" get slot-0 | sed 's/.*://'; }
counter_beyond() { [ "$(counter_of "$1")" -gt "$2" ]; }

[ -c /dev/vipc ] || fail "there is no /dev/vipc: load the module (insmod vipc.ko)"
[ -r $stats ] || fail "cannot read $stats: mount debugfs, be root"
echo "vipc on Linux $(uname -r), $(grep -c ^processor /proc/cpuinfo) CPUs"

say "hello: the program of the README"
hello >"$tmp/hello" || fail "hello ended with $?"
cat "$tmp/hello"
grep -qx '6 \* 7 = 42 (result 0)' "$tmp/hello" || fail "that is not what hello should say"

say "adder: a server that is found at a path"
adder_server &
server=$!
until_true test -S /tmp/adder
show adder adder_client
said "20 + 22 = 42"
kill $server
{ wait $server || :; } 2>/dev/null
server=''
rm /tmp/adder

say "echo: a client that inherits its capability through fork and exec"
expect 0 echo_server echo_client "Hello, server." "Is anybody there?"
expect 1 echo_server no_such_client >/dev/null 2>&1

say "broker: a client that can open nothing gets files in replies"
mkdir "$tmp/public"
echo "for everybody" >"$tmp/public/notes"
echo "for nobody" >"$tmp/secret"
ln -s ../secret "$tmp/public/way-out"
show broker broker "$tmp/public" notes ../secret way-out missing /etc/passwd
said "client: I cannot open /: Permission denied"
said 'client: notes says "for everybody"'
for name in ../secret way-out /etc/passwd; do
	said "client: no $name for me: Invalid cross-device link"
done
said "client: no missing for me: No such file or directory"

say "nameserver: capabilities by name, for as long as their owner lives"
show nameserver nameserver
said "client: the adder says 20 + 22 = 42 (result 0)"
said "client: printer: No such file or directory"
said "client: the adder has crashed: Connection reset by peer"
said "nameserver: program 1 is gone, and adder with it"
said "client: adder: no such name any more"

say "epollserver: calls and a socket in one epoll loop"
show epollserver epollserver
said "client: added 30: the call says 60, the socket 60"
said "epollserver: notified of 0x5"
said "epollserver: 3 calls and 3 packets, in one loop"

say "uring_server: calls, sixteen at a time, and a socket in one io_uring"
show uring_server uring_server
said "client: after 160 calls, the socket says 880"
said "uring_server: notified of 0x5"
said "uring_server: 160 calls and 3 packets, in one ring, sum 880"

say "bulk: data of any size handed over, not copied"
show bulk bulk
said "client: without the seals: Operation not permitted"
[ "$(grep -c 'arrived whole' "$log")" -eq 3 ] || fail "bulk should have sent three sizes"

say "threadpool: answers in any order, from threads other than the one that receives"
show threadpool threadpool
for answer in "4 primes below 10" "25 primes below 100" "1229 primes below 10000" \
	"17984 primes below 200000"; do
	grep -q "^client: $answer (" "$log" || fail "nobody said: $answer"
done
said "client: that is too much"

say "phonebook: a service in protobuf's language, found at a path"
phonebook serve "$tmp/book" &
server=$!
until_true phonebook find "$tmp/book" nobody
expect 0 phonebook add "$tmp/book" Ada 1815 1852
expect 0 phonebook add "$tmp/book" Alan 1912
show phonebook phonebook find "$tmp/book" A
said "client: Ada: 1815 1852"
said "client: Alan: 1912"
kill $server
{ wait $server || :; } 2>/dev/null
server=''

say "tally: a server that tells who connects, and crashes"
TALLY_SOCKET="$tmp/sum" tally >"$tmp/tally.log" &
server=$!
until_true test -S "$tmp/sum"
expect 1 tally "$tmp/sum" 40 2 crash 1 >"$tmp/tally"
cat "$tmp/tally"
log=$tmp/tally
said "client: the sum is 42"
said "client: Connection reset by peer"
expect 134 wait $server	# SIGABRT
server=''
grep -q "process [0-9]* of user $(id -u)" "$tmp/tally.log" || fail "tally saw nobody connect"

say "a key-value server; what tells its clients apart is the badge of their capability"
kv_server "$socket" &
server=$!
until_true test -S "$socket"
expect 0 client alice put colour red
expect 0 client bob put colour blue
expect 0 client alice put secret 1234
expect 0 client alice get colour
expect 0 client bob get colour
expect 4 client bob get secret

say "three clients at once, each in its own namespace, all with the same keys"
# Not through the function: $! shall be the program, not a shell around it.
kv_client "$socket" alice work & alice=$!
kv_client "$socket" bob work & bob=$!
kv_client "$socket" carol work & carol=$!
workers="$alice $bob $carol"
for name in alice bob carol; do
	until_true client $name get slot-7
done

say "carol is revoked while she works"
expect 0 client carol revoke
wait $carol && fail "carol ended well, though she was revoked" || got=$?
[ "$got" -eq 3 ] || fail "carol ended with $got instead of 3 (revoked)"
expect 3 client carol get slot-0

say "alice and bob go on"
workers="$alice $bob"
for name in alice bob; do
	before=$(counter_of $name)
	until_true counter_beyond $name "$before"
	echo "demo: $name was at round $before, and is at $(counter_of $name)"
done
kill $alice $bob
expect 0 wait $alice
expect 0 wait $bob
workers=''

say "nobody sees anybody else's keys"
for name in alice bob dave; do
	client $name list >"$tmp/list" || fail "$name cannot list"
	cat "$tmp/list"
	case $name in
	alice) keys=10 ;;
	bob) keys=9 ;;
	*) keys=0 ;;
	esac
	[ "$(grep -c ' = ' "$tmp/list")" -eq $keys ] || fail "$name should have $keys keys"
	! grep ' slot-' "$tmp/list" | grep -v "= $name:" ||
		fail "$name sees the value of somebody else"
done

say "the round trip: client -> server -> client, two processes"
expect 0 client alice bench 2000
if grep -q 'QEMU TCG' /proc/cpuinfo; then
	echo "demo: this machine is EMULATED in software: these microseconds are the"
	echo "demo: emulator's, many times those of a real processor"
elif grep -q '^flags.* hypervisor' /proc/cpuinfo; then
	echo "demo: measured in a virtual machine, on a real processor"
fi

say "the server is told to end (SIGTERM)"
kill $server
expect 0 wait $server
server=''

say "$stats"
cat $stats
[ "$(value call_count)" -gt 0 ] || fail "the statistics have seen no call"
[ $(($(value fast_path_count) + $(value slow_path_count))) -eq \
	$(($(value call_count) + $(value send_count))) ] ||
	fail "fast and slow path do not add up to sends and calls"
[ "$(value revoked)" -gt 0 ] || fail "the statistics have not seen carol's refusal"
[ "$(value capabilities)" -eq 0 ] || fail "$(value capabilities) capabilities are left"

printf '\ndemo: everything went as it should\n'
