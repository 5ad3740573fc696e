# SPDX-License-Identifier: GPL-2.0
# desc: the counters are read 1,000 times during I/O
# param: DEV = rxe siw
# deadline: 600

. "$lib/count.sh"
. "$lib/memory.sh"
. "$lib/counters.sh"
. "$lib/traffic.sh"

all_arrived() {
	local now
	now=$(counted "$before")
	[ "$(by messages_received "$now")" = "$(by messages_sent "$now")" ]
}
none_shown() { [ -z "$(ls $SMBD/connections)" ]; }

run() {
	local rounds before changes
	module_load smbdirect
	# the module may have been here before
	before=$(counters_now)
	modules_load
	link_up "$DEV"
	ksmbd_start
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	traffic_start /mnt
	rounds=$(traffic_field ok)
	python3 "$lib/readcounters.py" 1000
	[ "$(traffic_field ok)" -gt "$rounds" ] || die 'there was no I/O meanwhile'
	say "ok: $(($(traffic_field ok) - rounds)) rounds of I/O meanwhile"
	traffic_stop
	# at rest, what one end sent is what the other has received
	wait_for 'messages to arrive' 10 all_arrived || die 'messages are missing'
	changes=$(counted "$before")
	expect 'bytes received inline' "$(by inline_received_bytes "$changes")" "$(by inline_sent_bytes "$changes")"
	expect 'keys invalidated by the peer' "$(by remote_invalidations "$changes")" "$(by invalidations_sent "$changes")"
	umount /mnt
	ksmbd_stop
	wait_for 'the connections to go' 30 none_shown
	changes=$(counted "$before")
	expect 'RDMA failures' "$(by rdma_failures "$changes")" 0
	expect 'protocol errors' "$(by protocol_errors "$changes")" 0
	expect 'connections broken' "$(by connections_broken "$changes")" 0
}
