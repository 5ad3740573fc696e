# SPDX-License-Identifier: GPL-2.0
# desc: a mount with I/O is recorded by the tracepoints; what must always hold does
# param: DEV = rxe siw
# deadline: 300
# boot-group: counters
# memory: 1536

. "$lib/count.sh"
. "$lib/memory.sh"
. "$lib/counters.sh"

T=/sys/kernel/tracing
nothing_lost() { ! grep -hE '^(overrun|commit overrun|dropped events):' $T/per_cpu/cpu*/stats | grep -v ': 0$'; }
nothing_left() { [ -z "$(ls $SMBD/connections)" ] && no_connections; }

run() {
	local before after
	modules_load
	link_up "$DEV"
	mountpoint -q $T || mount -t tracefs none $T
	[ -e $T/events/smbdirect/smbd_send ] || die 'there are no tracepoints'
	ksmbd_start
	random_file /tmp/in $((4 << 20))
	echo 65536 >$T/buffer_size_kb
	# orders events over all CPUs
	echo counter >$T/trace_clock
	echo >$T/trace
	before=$(counters_now)
	echo 1 >$T/events/smbdirect/enable
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	cp /tmp/in /mnt/file
	cmp /tmp/in /mnt/file
	dd if=/tmp/in of=/mnt/small bs=3000 count=50 oflag=direct conv=notrunc status=none
	mkdir /mnt/dir
	for i in $(seq 30); do echo "$i" >/mnt/dir/$i; done
	rm -r /mnt/dir
	umount /mnt
	ksmbd_stop
	wait_for 'the connections to go' 30 nothing_left
	echo 0 >$T/events/smbdirect/enable
	after=$(counted "$before")
	nothing_lost || die 'events were lost'
	cat $T/trace >/tmp/recording
	head -n 400 /tmp/recording >"$OUT/recording"
	python3 "$lib/tracecheck.py" --selftest /tmp/recording || { cp /tmp/recording "$OUT/recording"; die 'see above'; }

	# both ways of counting say the same
	expect 'messages sent, traced' "$(grep -c ' smbd_send: ' /tmp/recording)" "$(by messages_sent "$after")"
	expect 'messages received, traced' "$(grep -c ' smbd_recv: ' /tmp/recording)" "$(by messages_received "$after")"
	expect 'registrations, traced' "$(grep -c ' smbd_reg: ' /tmp/recording)" "$(by fast_registrations "$after")"
	expect 'transfers, traced' "$(grep -c ' smbd_rdma_begin: ' /tmp/recording)" "$(by rdma_transfers "$after")"
	echo >$T/trace
	echo 1408 >$T/buffer_size_kb
	echo local >$T/trace_clock
}
