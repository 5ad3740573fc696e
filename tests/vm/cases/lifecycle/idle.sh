# SPDX-License-Identifier: GPL-2.0
# desc: idle for several keepalive intervals: probes are answered, the connection stays and works
# modules: rust
# param: DEV = rxe siw
# deadline: 120
# boot-group: lifecycle-one

. "$lib/count.sh"

connection_id() { sed -n 's/.*) ConnectionId: \(0x[0-9a-f]*\).*/\1/p' /proc/fs/cifs/DebugData; }
instance() { sed -n 's/.*TCP status: \([0-9]* Instance: [0-9]*\).*/\1/p' /proc/fs/cifs/DebugData; }
empty_sent() { sed -n 's/.*count_send_empty: \([0-9]*\).*/\1/p' /proc/fs/cifs/DebugData; }

run() {
	local before sent id state
	modules_load
	link_up "$DEV"
	ksmbd_start
	echo 3 >/proc/fs/cifs/smbd_keep_alive_interval
	# the SMB protocol's own echo requests stay away
	share_mount /mnt cache=none,echo_interval=600
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/in 500000
	cp /tmp/in /mnt/file
	grep -q 'keep_alive_interval: 3 ' /proc/fs/cifs/DebugData || die 'the interval was not taken'
	before=$(empty_sent) id=$(connection_id) state=$(instance)
	sent=$(counter messages_sent)
	sleep 20
	expect 'connection' "$(connection_id)" "$id"
	expect 'status and instance of the connection' "$(instance)" "$state"
	at_least 'empty messages of the client in 20 s' $(($(empty_sent) - before)) 3
	if [ "$SMBDIRECT" = rust ]; then
		# a probe and its answer each time, and not much more
		at_least 'messages of both sides in 20 s' $(($(counter messages_sent) - sent)) 6
		at_most 'messages of both sides in 20 s' $(($(counter messages_sent) - sent)) 20
	fi
	cmp /mnt/file /tmp/in
	expect 'status and instance after I/O' "$(instance)" "$state"
	umount /mnt
	echo 120 >/proc/fs/cifs/smbd_keep_alive_interval
}
