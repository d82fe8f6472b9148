# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # the names are for those that source it
#
# What the scripts in this folder share. Sourced, never run.

me=${0##*/}
top=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
vm=$top/vm
cache=${VIPC_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vipc}
kernels="6.1 6.12 6.1-rt 6.12-rt"		# Debian's
watched="debug debug-6.1 kcsan kcsan-6.1"	# vm/build-kernel makes them
foreign="6.1-arm64 6.12-arm64"			# Debian's, for another processor

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit "${die_status:-1}"; }

# check_kernel K: is it one of those that we know?
check_kernel() {
	case " $kernels $watched $foreign " in
	*" ${1:-none} "*) ;;
	*) die "unknown kernel '${1-}': take one of $kernels $watched $foreign" ;;
	esac
}

# arch_of K: print the architecture of a kernel, as Debian calls it.
arch_of() {
	case $1 in
	*-arm64) echo arm64 ;;
	*) echo amd64 ;;
	esac
}

# prefix_of ARCH: print what the names of its compiler and its like begin with.
prefix_of() {
	case $1 in
	arm64) echo aarch64-linux-gnu- ;;
	esac
}

# set_up_for ARCH: what building for it, and booting it, needs besides.
set_up_for() {
	[ "$1" = amd64 ] || "$vm/setup" "$1"
}

# is_watched K: is it one that watches itself?
is_watched() {
	case " $watched " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

# lock NAME: hold the lock until this process ends; others wait. A child that
# outlives us must close descriptor 9, or it keeps the lock.
lock() {
	mkdir -p "$cache/lock"
	exec 9>"$cache/lock/$1"
	flock 9
}

unlock() { exec 9>&-; }

# logged LOG COMMAND...: run quietly; show the log's end if it fails.
logged() {
	local log=$1 status=0
	shift
	"$@" >>"$log" 2>&1 </dev/null || status=$?
	if [ "$status" -ne 0 ]; then
		say "failed with status $status: $*"
		say "the end of $log:"
		tail -n 20 "$log" >&2
	fi
	return "$status"
}

# ---- for vm/check-*: results, and machines that boot what vm/run does not ----

passed=0 failed=0
# count_result STATUS WHAT [WHY]: one result more, good if STATUS is 0, and a line about it.
count_result() {
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		echo "ok $((passed + failed)) ${me#check-}: $2"
	else
		failed=$((failed + 1))
		echo "not ok $((passed + failed)) ${me#check-}: $2${3:+ ($3)}"
	fi
}

# give_count: the last line of all, and whether all is well.
give_count() {
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

# make_tmp: make the folder $tmp, which goes when the script ends, as does the machine
# that runs then.
make_tmp() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/vipc-${me#check-}.XXXXXX")
	qemu=
	trap remove_tmp EXIT
}

# shellcheck disable=SC2317 # the trap reaches it
remove_tmp() {
	# To timeout(1), which passes that on.
	[ -z "$qemu" ] || kill -TERM "$qemu" 2>/dev/null || :
	rm -rf "$tmp"
}

# boot_initrd LIMIT K PARAMETERS OPTION...: boot kernel K with these parameters besides, from
# $tmp/initrd, with QEMU's options; wait until it is off, at most LIMIT seconds. What it
# said on its second serial line is shown, and in $tmp/said; "end" comes last.
boot_initrd() {
	local limit=$1 kernel status=0
	local parameters="console=ttyS0 panic=-1 loglevel=5 cryptomgr.notests $3"
	kernel=$("$vm/fetch" kernel "$2")
	shift 3
	: >"$tmp/said"
	timeout "$limit" qemu-system-x86_64 -cpu max,-erms,-fsrm "$@" \
		-nodefaults -no-user-config -display none -no-reboot \
		-serial "file:$tmp/console" -serial "file:$tmp/said" \
		-kernel "$kernel/vmlinuz" -initrd "$tmp/initrd" -append "$parameters" \
		</dev/null >"$tmp/qemu.log" 2>&1 &
	qemu=$!
	wait "$qemu" || status=$?
	qemu=
	# A firmware clears its screen.
	sed -i 's/\r$//; s/\x1b\[[0-9;=]*[A-Za-z]//g' "$tmp/said"
	sed 's/^/# /' "$tmp/said"
	if [ "$status" != 0 ] || ! grep '^end' "$tmp/said" >/dev/null; then
		echo "# the machine failed ($status); the end of its console:"
		tail -n 30 "$tmp/console" "$tmp/qemu.log" | tr -d '\r' | sed 's/^/# /'
	fi
}
