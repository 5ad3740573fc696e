# SPDX-License-Identifier: GPL-2.0
# desc: captures that smbdirectctl trace makes at both ends: tshark knows every message, and both ends and `stats` agree
# vms: 2
# param: DEV = rxe siw
# deadline: 240
# files: build/tool/smbdirectctl
# afterwards: scripts/check-trace

. "$lib/count.sh"

recording() { grep -q recording /tmp/said; }
idle() {
	[ "$(rdma resource show qp 2>/dev/null | grep -c 'type RC')" = 0 ] && [ "$(counter connections_active)" = 0 ]
}
begin_trace() {
	: >/tmp/said
	"$MODULES/smbdirectctl" trace --quiet --buffer 16384 --pcapng "/tmp/$ROLE.pcapng" 2>/tmp/said &
	tracer=$!
	wait_for 'the recording' 20 recording
}
end_trace() {
	kill -INT $tracer
	wait $tracer
	cat /tmp/said
	grep -q 'were lost' /tmp/said && die 'events were lost'
	cp "/tmp/$ROLE.pcapng" "$OUT/"
	cp /sys/kernel/debug/smbdirect/stats "$OUT/stats-$ROLE"
}

server() {
	module_load smbdirect
	link_up "$DEV"
	begin_trace
	ksmbd_start
	rm -rf "${SHARE_DIR:?}"/*
	tell up
	hear unmounted 200 >/dev/null
	wait_for 'the connection to end' 20 idle
	end_trace
	tell seen
}

client() {
	local i
	modules_load
	link_up "$DEV"
	random_file /tmp/in 1500000
	hear up 100 >/dev/null
	begin_trace
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	cp /tmp/in /mnt/file
	cmp /tmp/in /mnt/file
	# names that are long, so that a listing is more than one message
	for i in $(seq 40); do echo "$i" >"/mnt/a-longer-name-than-usual-so-that-a-listing-needs-several-fragments-$i"; done
	ls -l /mnt >/dev/null
	umount /mnt
	wait_for 'the connection to end' 20 idle
	tell unmounted
	end_trace
	hear seen 60 >/dev/null
}
