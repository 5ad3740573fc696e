# SPDX-License-Identifier: GPL-2.0
# desc: one mount, copy and umount as tshark sees it: every message is known, none malformed, counts are those of `stats`
# vms: 2
# modules: rust/rust rust/c c/rust
# deadline: 180
# afterwards: scripts/check-capture
#
# The client's interface is recorded, packets of both directions; `stats` of each end
# that has our module is kept with it. The host decodes.

. "$lib/count.sh"

keep_stats() {
	[ "$SMBDIRECT" = rust ] || return 0
	cp /sys/kernel/debug/smbdirect/stats "$OUT/stats-$ROLE"
}
idle() {
	[ "$(rdma resource show qp 2>/dev/null | grep -c 'type RC')" = 0 ] && [ "$(counter connections_active)" = 0 ]
}

server() {
	module_load smbdirect
	link_up rxe
	ksmbd_start
	rm -rf "${SHARE_DIR:?}"/*
	tell up
	hear unmounted 150 >/dev/null
	wait_for 'the connection to end' 20 idle
	keep_stats
	tell seen
}

recording() { grep -q 'listening on' /tmp/tcpdump.said; }

client() {
	local pid
	modules_load
	link_up rxe
	random_file /tmp/in 1500000
	hear up 100 >/dev/null
	tcpdump -i "$NETDEV" -s 0 -B 65536 -w /tmp/rxe.pcap 'udp port 4791' 2>/tmp/tcpdump.said &
	pid=$!
	wait_for 'tcpdump to listen' 20 recording

	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	cp /tmp/in /mnt/file
	cmp /tmp/in /mnt/file
	# small ones go inline
	random_file /tmp/small 900
	cp /tmp/small /mnt/small
	cmp /tmp/small /mnt/small
	ls -l /mnt
	umount /mnt
	wait_for 'the connection to end' 20 idle
	tell unmounted
	hear seen 60 >/dev/null

	keep_stats
	kill -INT $pid
	wait $pid
	cat /tmp/tcpdump.said
	expect 'packets that the recording has missed' \
		"$(sed -n 's/^\([0-9]*\) packets dropped by kernel/\1/p' /tmp/tcpdump.said)" 0
	cp /tmp/rxe.pcap "$OUT/rxe.pcap"
}
