#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs selftests in the manner of the kernel's: TAP, each program's own output
# nested with "# ". Needs root and a loaded vipc.ko. Besides its exit status, a
# program fails if it ran into the time limit, if the kernel complained while it
# ran, or if it left an endpoint, a capability or a process behind. Where there is
# kmemleak, it is asked at the end, as one program more, which is called kmemleak: a
# leak does not go away, its report names the program that allocated, and asking
# takes longer than most programs.
#
# usage: run_kselftest.sh [-t SECONDS] PROGRAM...
#
# Works in busybox sh. KSELFTEST_TIMEOUT is the default of -t; VIPC_PARAMETERS are
# set first, as in "spin_ns=0 wait=2".
set -u

stats=/sys/kernel/debug/vipc/stats
kmemleak=/sys/kernel/debug/kmemleak
limit=${KSELFTEST_TIMEOUT:-300}

# What the kernel prints when something is wrong with it: an extended regexp.
complaints='BUG|WARNING|Oops|KASAN|KCSAN|KMSAN|UBSAN|ODEBUG'
complaints="$complaints|possible (circular|recursive) locking|lockdep|DEBUG_LOCKS"
complaints="$complaints|suspicious RCU usage|inconsistent lock state"
complaints="$complaints|bad unlock balance|held lock freed|lock held when returning"
complaints="$complaints|INFO: task .*blocked|INFO: rcu|detected stalls?|lockup|LOCKUP"
complaints="$complaints|refcount_t|sleeping function|scheduling while atomic"
complaints="$complaints|list_(add|del) corruption|unable to handle|Call Trace"
complaints="$complaints|general protection fault|bad page state"
complaints="$complaints|memory leak|new suspected memory leaks"

# A line of a trace is none, whatever the function in it is called.
frame='^\[[ 0-9.]*\] +(\? )?[^ ]+\+0x[0-9a-f]+/0x[0-9a-f]+( \[[^]]*\])?$'

die()
{
	echo "run_kselftest.sh: $*" >&2
	exit 2
}

while getopts t: option; do
	case $option in
	t) limit=$OPTARG ;;
	*) die "usage: run_kselftest.sh [-t SECONDS] PROGRAM..." ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || die "no test programs given"
[ "$(id -u)" = 0 ] || die "must be run as root, to open /dev/vipc and read the kernel log"
[ -e "$stats" ] || mount -t debugfs none /sys/kernel/debug 2>/dev/null
[ -c /dev/vipc ] || die "no /dev/vipc: load the module first (insmod vipc.ko)"
[ -r "$stats" ] || die "no $stats: is debugfs mounted?"

for parameter in ${VIPC_PARAMETERS-}; do
	echo "${parameter#*=}" >"/sys/module/vipc/parameters/${parameter%%=*}" ||
		die "cannot set the module's parameter $parameter"
done

tmp=$(mktemp -d) || die "cannot make a temporary folder"
trap 'rm -rf "$tmp"' EXIT

# The processes of session $1, by number.
session_of()
{
	for s in /proc/[0-9]*/stat; do
		# The name, in brackets, may hold anything: cut it off.
		line=$(cat "$s" 2>/dev/null) || continue
		# shellcheck disable=SC2086 # splitting is what is wanted
		set -- "$1" ${line##*) }
		if [ "${5:-}" = "$1" ] && [ "$2" != Z ]; then
			pid=${s#/proc/}
			echo "${pid%/stat}"
		fi
	done
}

# Ends whatever processes session $1 left behind, and says so.
end_session()
{
	for pid in $(session_of "$1"); do
		echo "# left behind: process $pid ($(cat "/proc/$pid/comm" 2>/dev/null))"
		kill -9 "$pid" 2>/dev/null
	done
}

# KCSAN reports races of the whole kernel, and the kernel has some that are known.
# One with no frame of ours on either side says nothing about vipc: it stays in
# the log, but under a title that is no complaint. Nor does one in a timed sleep of
# the kernel's, whoever called that: its timer clears the pointer that the sleeper
# looks at. What an interrupt does is not done by whom it has interrupted.
name_races_elsewhere()
{
	awk -v timed_sleep='in hrtimer_wakeup / schedule_hrtimeout_range_clock' '
		function end_of_report(  i) {
			if (!ours || report[0] ~ timed_sleep)
				sub(/BUG: KCSAN:/, "a race elsewhere:", report[0])
			for (i = 0; i < lines; i++)
				print report[i]
			lines = ours = interrupted = 0
		}
		/BUG: KCSAN:/ { end_of_report(); report[lines++] = $0; next }
		!lines { print; next }
		{ report[lines++] = $0 }
		/ by (task|interrupt)/ { interrupted = 0 }
		/ asm_(sysvec_|common_interrupt)/ { interrupted = 1 }
		!interrupted && /\+0x[0-9a-f]+\/0x[0-9a-f]+ \[(vipc|broken)\]/ { ours = 1 }
		/=====================$/ { end_of_report() }
		END { end_of_report() }'
}

# Prints what the kernel complained about since mark $1; 1 if it did.
scan_log()
{
	# A memory cgroup at its limit is reported with a trace, which is no complaint.
	dmesg | awk '
		/invoked oom-killer/ { report = 1 }
		/Memory cgroup out of memory|no killable processes/ { report = 0 }
		!(report && /Call Trace/)' | name_races_elsewhere >"$tmp/log"
	# A log so long that the mark fell out of it is scanned whole.
	grep -qF "$1" "$tmp/log" && sed -i "1,/$1/d" "$tmp/log"
	grep -vE "$frame" "$tmp/log" | grep -qE "$complaints" || return 0
	sed 's/^/# kernel: /' "$tmp/log"
	return 1
}

stat_value()
{
	sed -n "s/^$1 //p" "$stats" 2>/dev/null
}

# Prints what is still open; 1 if something is. The last close of a killed
# process may come a little later than its end is seen.
scan_leaks()
{
	tries=0
	while [ $tries -lt 100 ]; do
		endpoints=$(stat_value endpoints)
		capabilities=$(stat_value capabilities)
		[ "$endpoints $capabilities" = "0 0" ] && return 0
		tries=$((tries + 1))
		sleep 0.1
	done
	echo "# left behind: ${endpoints:-unknown} endpoints, ${capabilities:-unknown} capabilities"
	return 1
}

# Runs program $1; its output and findings go to stdout, "# " before each line.
# The verdict goes to $tmp/verdict: empty, or why it failed.
run_one()
{
	name=$(basename "$1")
	case $1 in
	*/*) program=$1 ;;
	*) program=$(command -v "$1") || program=./$1 ;;
	esac
	: >"$tmp/verdict"
	rm -f "$tmp/timeout"
	mark="vipc-selftest: run $$ $name"
	echo "$mark" >/dev/kmsg

	sed 's/^/# /' <"$tmp/fifo" &
	prefix=$!
	# A session of its own, so that what it leaves behind can be found. Here
	# setsid does not fork: the session has the number of the process.
	setsid "$program" </dev/null >"$tmp/fifo" 2>&1 &
	session=$!
	# shellcheck disable=SC2016 # the inner shell expands these
	setsid sh -c 'sleep "$1"; : >"$3"; kill -9 "$2"' \
		sh "$limit" "$session" "$tmp/timeout" </dev/null >/dev/null 2>&1 &
	watchdog=$!
	wait $session 2>/dev/null
	status=$?
	# It has no group yet, if the program was faster than its setsid.
	kill -9 -- -$watchdog 2>/dev/null || kill -9 $watchdog 2>/dev/null
	wait $watchdog 2>/dev/null
	end_session $session >"$tmp/left"
	wait $prefix
	cat "$tmp/left"

	skipped=
	if [ -e "$tmp/timeout" ]; then
		echo "killed after $limit seconds" >>"$tmp/verdict"
	elif [ $status = 4 ]; then
		skipped=1
	elif [ $status != 0 ]; then
		echo "exit=$status" >>"$tmp/verdict"
	fi
	[ ! -s "$tmp/left" ] || echo "processes left behind" >>"$tmp/verdict"
	scan_leaks || echo "capabilities left behind" >>"$tmp/verdict"
	scan_log "$mark" || echo "the kernel complained" >>"$tmp/verdict"
}

# As a program with one case would: prints what kmemleak knows of.
scan_memory()
{
	: >"$tmp/verdict"
	skipped=
	sleep 6 # younger objects are not reported
	# What changed since the last scan is not, either.
	echo scan >"$kmemleak"
	echo scan >"$kmemleak"
	sed 's/^/# kmemleak: /' "$kmemleak" >"$tmp/leaks"
	echo "# TAP version 13"
	echo "# 1..1"
	if [ -s "$tmp/leaks" ]; then
		cat "$tmp/leaks"
		echo "# not ok 1 memory that nothing points to"
		echo "exit=1" >"$tmp/verdict"
	else
		echo "# ok 1 memory that nothing points to"
	fi
	echo clear >"$kmemleak"
}

mkfifo "$tmp/fifo" || die "cannot make a pipe"
# With kmemleak=off the file is there, and takes no command.
if [ -e "$kmemleak" ] && echo scan=off 2>/dev/null >"$kmemleak"; then
	set -- "$@" kmemleak
fi
echo "TAP version 13"
echo "1..$#"
number=0
failed=0
for test in "$@"; do
	number=$((number + 1))
	echo "# selftests: vipc: $(basename "$test")"
	if [ "$test" = kmemleak ]; then
		name=$test
		scan_memory
	else
		run_one "$test"
	fi
	line="$number selftests: vipc: $name"
	if [ -s "$tmp/verdict" ]; then
		failed=$((failed + 1))
		echo "not ok $line # $(paste -sd, "$tmp/verdict" | sed 's/,/, /g')"
	elif [ -n "$skipped" ]; then
		echo "ok $line # SKIP"
	else
		echo "ok $line"
	fi
done
[ $failed = 0 ]
