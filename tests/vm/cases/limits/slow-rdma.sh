# SPDX-License-Identifier: GPL-2.0
# desc: a client whose memory can be read at 8 KiB/s only: the clock of RDMA transfers ends its connection, and nothing hangs
# param: DEV = siw
# deadline: 400
#
# Server and client are in one guest, and iWARP between them goes over lo, whose rate
# is limited. (rxe does not use lo for that; there the adapter gives up after its retries.)
# 1 MiB would take two minutes. The clock has a grace of 60 s, and 16 s for what the adapter
# has; sign of life and echo come after that.

. "$lib/count.sh"
. "$lib/counters.sh"

GRACE=60

slow() {
	modprobe sch_netem || skip 'the kernel has no netem'
	tc qdisc add dev lo root netem rate 64kbit limit 100000
}
ended_for() { of "$SMBD/failures" "ended_$1"; }
given_up() { [ "$(ended_for work_timeout)" -gt 0 ]; }
writer_gone() { ! kill -0 "$writer" 2>/dev/null; }

run() {
	local writer t0 took
	modules_load
	link_up "$DEV"
	ksmbd_start
	share_mount /mnt
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/in 1048576
	expect 'connections that were given up' "$(ended_for work_timeout)" 0
	slow
	t0=$(now_ms)
	dd if=/tmp/in of=/mnt/file bs=1M count=1 oflag=direct conv=fsync 2>/tmp/dd &
	writer=$!
	wait_for 'the server to give the transfer up' 110 given_up
	took=$((($(now_ms) - t0) / 1000))
	tc -s qdisc show dev lo
	tc qdisc del dev lo root
	grep -v ' 0$' "$SMBD/failures"
	at_least 'seconds before the server gave up' "$took" $GRACE
	# cifs connects again, and repeats it or gives an error
	wait_for 'the writer to end' 120 writer_gone
	wait "$writer" || say "  the write had an error: $(tail -n 1 /tmp/dd)"
	cp /tmp/in /mnt/again
	cmp /tmp/in /mnt/again
	cmp /tmp/in "$SHARE_DIR/again"
	umount /mnt
}
