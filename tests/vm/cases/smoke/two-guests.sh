# SPDX-License-Identifier: GPL-2.0
# desc: server and client in two guests, one file out and in
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# boot-group: smoke
# deadline: 150

server() {
	module_load smbdirect
	link_up "$DEV"
	ksmbd_start
	tell up
	local sum
	sum=$(hear written 100)
	expect 'the sum of the file on the server' "$(sha256sum <"$SHARE_DIR/file")" "$sum"
	tell checked
	hear finished
}

client() {
	modules_load
	link_up "$DEV"
	hear up >/dev/null
	share_mount /mnt
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/in $((4 << 20))
	cp /tmp/in /mnt/file
	sync -f /mnt
	tell written "$(sha256sum </tmp/in)"
	hear checked >/dev/null
	umount /mnt
	share_mount /mnt
	cmp /mnt/file /tmp/in
	umount /mnt
	tell finished
}
