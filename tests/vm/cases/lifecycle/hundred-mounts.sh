# SPDX-License-Identifier: GPL-2.0
# desc: 100 times mount, I/O, unmount: memory and RDMA resources come back
# modules: rust
# param: DEV = rxe siw
# deadline: 300
# boot-group: lifecycle-mounts
# memory: 1280

. "$lib/count.sh"

rounds() {
	python3 "$lib/cycle.py" "$1" /mnt "//$ADDR/share" "$ADDR" \
		"user=$SMB_USER,pass=$SMB_PASSWORD,vers=3.1.1,rdma,cache=none"
	wait_for 'the queue pairs of the last round to go' 20 only_listeners
}

run() {
	local before after held i
	modules_load
	link_up "$DEV"
	ksmbd_start
	rm -rf "${SHARE_DIR:?}"/*
	# the first rounds fill caches that stay
	rounds 10
	before=$(settled)
	held=$(counter memory_bytes)
	say "before: $before, $held bytes by the module's own account"
	rounds 100
	after=$(settled)
	say "after: $after, $(counter memory_bytes) bytes"
	show_growth "$before" "$after"
	for i in cm_id qp cq pd mr; do
		expect "number of $i" "$(value "$i" "$after")" "$(value "$i" "$before")"
	done
	expect 'active connections' "$(counter connections_active)" 0
	expect "the module's own memory" "$(counter memory_bytes)" "$held"
	# What one connection holds would show here a hundred times. Free pages are
	# a coarse figure (each CPU keeps some megabytes of them); slab and vmalloc
	# are good to 4 KiB a round.
	slab_at_most 'a hundred mounts' "$before" "$after" 400
	at_most 'growth of vmalloc (KiB)' "$(growth vmalloc "$before" "$after")" 200
	at_most 'growth of other pages (KiB)' "$(growth other "$before" "$after")" 6144
}

# Nothing but listening ids: no connection has a queue pair any more.
only_listeners() { [ "$(rdma resource show qp 2>/dev/null | grep -c 'type RC')" = 0 ]; }
