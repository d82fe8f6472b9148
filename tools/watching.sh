#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What tools/check-watching runs in the guest: the commands of vipc(4), on
# examples. Each part begins with "== NAME".
set -u

part() { echo "== $*"; }
hello=$(command -v hello)

part perf-trace
perf trace -e 'vipc:*' hello 2>&1
part perf-stat
perf stat -e vipc:vipc_call hello 2>&1
part perf-script
perf record -q -e 'vipc:*' -o /tmp/perf.data hello >/dev/null 2>&1
perf --no-pager script -i /tmp/perf.data 2>&1
part bpftrace-count
bpftrace -e 'tracepoint:vipc:vipc_* { @[probe] = count(); }' -c "$hello" 2>&1
part bpftrace-latency
bpftrace -e 'tracepoint:vipc:vipc_call /args->ret == 0/ {
	@cycles[args->endpoint, args->opcode] = hist(args->cycles); }' -c "$hello" 2>&1
part bpftrace-errors
bpftrace -e 'tracepoint:vipc:vipc_call /args->ret < 0/ {
	printf("%s: %d\n", comm, args->ret); }' -c "$(command -v nameserver)" 2>&1
part strace
strace -f -y -o /tmp/strace hello >/dev/null 2>&1
grep vipc /tmp/strace
part lsof
# It wants to know what root is called.
echo root:x:0:0:root:/:/bin/sh >/etc/passwd
kv_server /tmp/kv >/dev/null 2>&1 &
server=$!
tries=0
until kv_client /tmp/kv alice put colour red >/dev/null 2>&1 || [ $tries -gt 100 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
kv_client /tmp/kv alice work >/dev/null 2>&1 &
client=$!
until kv_client /tmp/kv alice get slot-0 >/dev/null 2>&1 || [ $tries -gt 200 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
lsof -p $server,$client 2>&1
kill $client $server
part json
vipcstat --json 0.1 2 | jq -r .total.endpoints | wc -l
part end
