# SPDX-License-Identifier: GPL-2.0
# desc: cifs's DebugData about an RDMA mount has the names, the order and the blanks of the C module
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 120

run() {
	modules_load
	link_up "$DEV"
	ksmbd_start
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/in 3000000
	cp /tmp/in /mnt/file
	cmp /tmp/in /mnt/file
	cat /proc/fs/cifs/DebugData >"$OUT/DebugData"
	# what both modules agree on with this server, and the state 14
	python3 "$lib/debugdata.py" "$OUT/DebugData" status=CONNECTED number=14 receive_credit_max=255 \
		send_credit_target=255 max_send_size=1364 max_receive_size=1364 max_fragmented_recv_size=173910 \
		keep_alive_interval=120 rdma_readwrite_threshold=4096 mr_type=0x0 mr_used_count=0 ||
		{ cat "$OUT/DebugData"; die 'the text is not as scripts know it'; }
	umount /mnt
}
