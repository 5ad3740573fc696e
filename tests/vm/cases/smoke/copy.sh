# SPDX-License-Identifier: GPL-2.0
# desc: mount over RDMA in one guest, copy a file out and in
# modules: rust c
# control: c
# param: DEV = rxe siw
# boot-group: smoke
# deadline: 120

run() {
	modules_load
	link_up "$DEV"
	ksmbd_start
	share_mount /mnt
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/in $((8 << 20))
	cp /tmp/in /mnt/file
	umount /mnt
	share_mount /mnt
	cmp /mnt/file /tmp/in
	cmp "$SHARE_DIR/file" /tmp/in
	say "copied 8 MiB both ways over $DEV"
}
