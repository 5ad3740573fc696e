# SPDX-License-Identifier: GPL-2.0
# Memory per connection: what the kernel holds, by difference, and the module
# smbdirect_hold that makes the connections. Needs count.sh.

hold_command=/sys/kernel/debug/smbdirect_hold/command

# What still has a command written when the case ends, keeps the module in use: a flood, or
# whoever waits for an answer.
hold_end() {
	local rc=$? pid
	for pid in $(jobs -p); do
		[ "$(readlink "/proc/$pid/fd/1")" != "$hold_command" ] || kill -KILL "$pid" || true
	done
	wait || true
	rmmod smbdirect_hold || rc=1
	exit $rc
}
# hold_load [PARAMETER...] : until the end of the case, however that comes.
hold_load() {
	mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
	module_load smbdirect
	trap hold_end EXIT
	insmod "$MODULES/smbdirect_hold.ko" "$@"
}
# hold COMMAND... : see the head of tests/hold/hold.c
hold() { echo "$*" >"$hold_command" || die "hold: $*"; }
# held NAME N : does exactly that many of clients, servers, bare or accepted exist and work?
held() {
	awk -v what="$1" -v want="$2" '
		{ n["clients"] = $4; n["servers"] = $8; n["bare"] = $10; n["accepted"] = $12 }
		END { exit n[what] != want }' "$hold_command"
}
# hold_field NAME : least and most of a storm, or what a flood has made
hold_field() { awk -v n="$1" '{ for (i = 1; i < NF; i++) if ($i == n) print $(i + 1) }' "$hold_command"; }
# hold_once : a listener from here on, and a connection that comes and goes: for what stays
# after the first time
hold_once() {
	hold listen
	hold connect 1
	wait_for 'the first connection to be accepted' 10 held servers 1
	hold drop clients
	hold drop servers
	wait_for 'the first connection to go' 30 no_connections
}
# connections in the handshake: how many, or whether they are N
half_open() { counter half_open_sockets; }
half_are() { [ "$(half_open)" = "$1" ]; }
# The queue pairs of all connections are gone (one a port belongs to the MAD layer).
no_connections() { [ "$(rdma resource show qp 2>/dev/null | grep -c 'type RC')" = 0 ]; }

# kernel_memory : one line of name=value, in KiB but for the counts.
#   total    what the kernel uses for itself: the sum of slab, vmalloc, percpu and
#            pages. Free pages that wait on a CPU's list count as free; page
#            tables and stacks of threads are left out
#   slab     objects, as large as the allocator makes them
#   slack    room in slabs that has no object now, and objects of processes and files;
#            not in total, for it depends on what was there before, and on the
#            commands that measure
#   device   the part of vmalloc that the RDMA driver has for its queues
#   own      what smbdirect.ko says that it holds, in bytes (0 with the C module)
kernel_memory() {
	awk -v process='^(task_struct|signal_cache|sighand_cache|mm_struct|files_cache|fs_cache|cred|pid|pid_namespace|vm_area_struct|maple_node|anon_vma|anon_vma_chain|dentry|filp|names_cache|(proc_|shmem_|v9fs_|ovl_)?inode(_cache)?|p9_req_t|kmalloc-cg-.*)$' '
	     FILENAME ~ /vmallocinfo/ {
		if (/\[(rdma_rxe|siw)\]/ && match($0, / pages=[0-9]+/))
			device += substr($0, RSTART + 7, RLENGTH - 7) * 4
		next
	     }
	     FILENAME ~ /zoneinfo/ { if ($1 == "count:") pcp += $2 * 4; next }
	     FILENAME ~ /slabinfo/ {
		if ($7 == ":")
			slack += $15 * $6 * 4 - ($1 ~ process ? 0 : $2 * $4 / 1024)
		next
	     }
	     { v[$1] = $2 }
	     END {
		user = v["Cached:"] + v["Buffers:"] + v["AnonPages:"]
		total = v["MemTotal:"] - v["MemFree:"] - pcp - user - v["PageTables:"] - v["KernelStack:"]
		vmalloc = v["VmallocUsed:"] - v["KernelStack:"]
		pages = total - v["Slab:"] - vmalloc - v["Percpu:"]
		printf "total=%d slab=%d slack=%d vmalloc=%d percpu=%d pages=%d device=%d",
			total - slack, v["Slab:"] - slack, slack, vmalloc, v["Percpu:"], pages, device
	     }' /proc/meminfo /proc/zoneinfo /proc/vmallocinfo /proc/slabinfo
	echo " own=$(counter memory_bytes) qp=$(rdma_count qp) cq=$(rdma_count cq) mr=$(rdma_count mr)"
}
# settled_memory : the same in a settled state: the least of three, for what comes
# and goes only adds.
settled_memory() {
	local i
	settle
	for i in 1 2 3; do
		kernel_memory
		sleep 0.3
	done | sort -t = -k 2n | head -n 1
}

# per VALUE N : with one decimal
per() { awk -v v="$1" -v n="$2" 'BEGIN { printf "%.1f", v / n }'; }
# kib NAME BEFORE AFTER N : growth per connection
kib() { per "$(growth "$1" "$2" "$3")" "$4"; }
# within WHAT KIB LIMIT : like at_most, for figures with decimals
within() {
	awk -v a="$2" -v b="$3" 'BEGIN { exit !(a <= b) }' || die "$1: $2 KiB, more than $3"
	say "ok: $1: $2 KiB, at most $3"
}
