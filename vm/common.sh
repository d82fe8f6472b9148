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
