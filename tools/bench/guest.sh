#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What tools/run-bench measures in one virtual machine. Tells on standard error what it
# is doing; standard output is the files that it made, each behind a line "@ NAME".
#
# usage: guest.sh deterministic | two-cpus | generic

set -eu

machine=$1
spin=/sys/module/vipc/parameters/spin_ns
tab=$(mktemp)

# bench NAME OPTION...: add to the file NAME, without a second heading.
bench() {
	name=$1
	shift
	vipc-bench --format csv --unit "$unit" --output "$tab" "$@"
	if [ -s "$name" ]; then
		sed 1d "$tab" >>"$name"
	else
		cat "$tab" >"$name"
	fi
}

step() { echo "    $*" >&2; }

# without_spinning COMMAND...
without_spinning() {
	[ -w "$spin" ] || return 0
	old=$(cat "$spin")
	echo 0 >"$spin"
	"$@"
	echo "$old" >"$spin"
}

deterministic() {
	step "round trips of 64 bytes, all mechanisms"
	bench result.csv --distribution distribution.csv
	step "larger messages"
	bench result.csv --size 4K --batches 20 --round-trips 50 --samples 200
	bench result.csv --size 64K,1M --batches 5 --round-trips 10 --samples 20
	step "the first round trip after a pause"
	bench result.csv --idle
	step "1 to 64 clients, 1 and 4 server threads"
	bench result.csv --throughput --seconds 0.02 --clients 1,4,16,64 --servers 1,4
	step "vipc growing: capabilities, endpoints, callers"
	bench result.csv --growth
	if [ -w "$spin" ]; then
		step "vipc with spin_ns=0: always sleeping"
		without_spinning bench sleeping.csv --mechanism vipc
		without_spinning bench sleeping.csv --mechanism vipc --idle
		without_spinning bench sleeping.csv --growth
	fi
}

two_cpus() {
	step "round trips of 64 bytes between two CPUs, all mechanisms, 5 times"
	# Short batches: where all sleep, on a busy host, a round trip may take milliseconds.
	set -- --placement two --runs 5 --seconds 0.6 --round-trips 50 --batches 200
	bench result.csv "$@"
	without_spinning bench sleeping.csv --mechanism vipc "$@"
	step "1 to 64 clients, 1 and 4 server threads, 3 times"
	bench result.csv --throughput --runs 3 --seconds 0.1 --clients 1,8,64 --servers 1,4
}

case $machine in
deterministic) unit=instructions; deterministic ;;
two-cpus) unit='emulated ns'; two_cpus ;;
generic) unit=instructions; bench result.csv --mechanism vipc ;;
*) echo "guest.sh: unknown machine '$machine'" >&2; exit 2 ;;
esac

for name in result sleeping distribution; do
	if [ -s "$name.csv" ]; then
		echo "@ $name"
		cat "$name.csv"
	fi
done
