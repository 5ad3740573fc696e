# SPDX-License-Identifier: GPL-2.0
# desc: conformance: mutated messages from a peer, judged by a model where the specification leaves no doubt
# param: DEV = rxe siw
# param: COUNT = 2000 100000 5min
# deadline: 3600
# boot-group: wire-fuzz
# memory: 1280
# files: build/peer/smbd-peer tests/peer/guest.sh
#
# The small count is for the quick tier; 5min are as many as that time gives, at most
# 100,000. SEED may be set with scripts/vm run --param.

. "$lib/count.sh"

mutate() {
	"$MODULES/smbd-peer" fuzz --server "$ADDR" --patience "${PATIENCE:-1}" "$@"
}

kernel_stacks() { awk '$1 == "KernelStack:" { print $2 }' /proc/meminfo; }

# Every connection is gone, with its queue pair and all that the module had for it.
no_connections_left() { [ "$(rdma resource show qp 2>/dev/null | grep -c 'type RC')" = 0 ] && [ "$(counter connections_active)" = 0 ]; }

run() {
	local before after held i waiting stacks json=$OUT/wire-fuzz-$DEV-$COUNT.json most=(--count "$COUNT")
	[ "$COUNT" != 5min ] || most=(--count 100000 --seconds 300)
	. "$MODULES/guest.sh"
	modules_load
	negotiate_patiently
	peer_server
	# caches that stay are filled before the first look
	mutate --count 300 --seed 100 >/tmp/first || { cat /tmp/first; die 'see above'; }
	wait_for 'the first connections to go' 60 no_connections_left
	rm -f "$SHARE_DIR"/*
	before=$(settled)
	cp /proc/slabinfo /tmp/slabs
	stacks=$(kernel_stacks)
	held=$(counter memory_bytes)
	mutate "${most[@]}" --seed "${SEED:-1}" --json "$json" || die 'see above'
	[ "$COUNT" != 5min ] ||
		at_least 'mutated messages' "$(sed -n 's/^ *"mutated": \([0-9]*\).*/\1/p' "$json")" 1000

	wait_for 'the last connections to go' 60 no_connections_left
	cat /sys/kernel/debug/smbdirect/connections
	rm -f "$SHARE_DIR"/*
	after=$(settled)
	show_growth "$before" "$after"
	slabs_grown /tmp/slabs
	for i in cm_id qp cq pd mr; do
		expect "number of $i" "$(value "$i" "$after")" "$(value "$i" "$before")"
	done
	expect "the module's own memory" "$(counter memory_bytes)" "$held"
	# over siw a connection leaves a socket of TCP for a minute, 272 bytes
	waiting=$(ss -tanH state time-wait | wc -l)
	slab_at_most "mutated messages, $waiting sockets in TIME-WAIT" "$before" "$after" $((1024 + waiting / 3))
	# the kernel keeps threads that it needed when it was busy
	stacks=$(($(kernel_stacks) - stacks))
	at_most "growth of vmalloc (KiB), $stacks of it stacks of threads" "$(growth vmalloc "$before" "$after")" $((512 + (stacks > 0 ? stacks : 0)))
	at_most 'growth of other pages (KiB)' "$(growth other "$before" "$after")" 8192

	share_mount /mnt
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/file 3000000
	cp /tmp/file /mnt/file
	umount /mnt
	share_mount /mnt
	cmp /tmp/file /mnt/file || die 'the file differs'
	umount /mnt
}
