# SPDX-License-Identifier: GPL-2.0
# Counting what the kernel holds, and comparing files.

# snapshot : one line "slab=KB vmalloc=KB other=KB ..." of kernel memory and RDMA
# objects; `other` is everything that no line of meminfo names, so pages of
# vmalloc are in it as well; free pages that wait on a CPU's list (which may be
# megabytes of them) are not. Take it twice around something and compare with growth.
snapshot() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '$1 == "count:" { pcp += $2 * 4 }
	     /^SUnreclaim:/ { s = $2 } /^SReclaimable:/ { r = $2 } /^VmallocUsed:/ { v = $2 }
	     /^Percpu:/ { p = $2 } /^MemFree:/ { f = $2 } /^PageTables:/ { t = $2 } /^KernelStack:/ { k = $2 }
	     /^AnonPages:/ { a = $2 } /^Shmem:/ { h = $2 } /^(Cached|Buffers):/ { c += $2 } /^MemTotal:/ { T = $2 }
	     END { printf "slab=%d reclaimable=%d vmalloc=%d percpu=%d other=%d",
	           s, r, v, p, T - f - pcp - c - a - s - r - p - t - k }' /proc/meminfo /proc/zoneinfo
	echo " cm_id=$(rdma_count cm_id) qp=$(rdma_count qp) cq=$(rdma_count cq) pd=$(rdma_count pd) mr=$(rdma_count mr)"
}
# value NAME LINE : one value of a snapshot.
value() { echo "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
# growth NAME BEFORE AFTER
growth() { echo $(($(value "$1" "$3") - $(value "$1" "$2"))); }

# sums DIR : name and SHA-256 of every file below, sorted.
sums() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum); }
same_tree() {
	sums "$1" >/tmp/sums.1
	sums "$2" >/tmp/sums.2
	cmp -s /tmp/sums.1 /tmp/sums.2 || { diff /tmp/sums.1 /tmp/sums.2 | head -n 10; return 1; }
}

# random_file FILE BYTES
random_file() { head -c "$2" </dev/urandom >"$1"; }

# hw_counter DEVICE NAME
hw_counter() { rdma -p statistic show link "$1/1" | grep -oE "\b$2 [0-9]+" | awk '{ print $2 }'; }

# stat_value NAME : a counter of our module (empty with the C module).
stat_value() { awk -v n="$1" '$1 == n { print $2 }' /sys/kernel/debug/smbdirect/stats 2>/dev/null; }
