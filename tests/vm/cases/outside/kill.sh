# SPDX-License-Identifier: GPL-2.0
# desc: the server loses power during I/O, with a disk that keeps what was fsynced
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 12000
# boot-group: outside
#
# The share is ext4 on a disk of its own, a file of the host: what the server had not
# yet written to it is lost with the power.

. "$lib/outside.sh"

disk=/lab/share/$CASE_ID.disk

server() {
	if [ -z "$AGAIN" ]; then
		! mountpoint -q "$SHARE_DIR" || umount "$SHARE_DIR"
		truncate -s 192M "$disk"
		mkfs.ext4 -q -F "$disk"
	fi
	modprobe loop
	mkdir -p "$SHARE_DIR"
	mount -t ext4 -o loop "$disk" "$SHARE_DIR"
	outside_server
	ksmbd_stop
	umount "$SHARE_DIR"
	rm "$disk"
}

client() {
	RECOVERY=180
	outside_begin
	writers_begin
	rounds fault
	writers_stop
	umount_all
	base_again "$ROUNDS"
	dismiss
}
fault() {
	crash_peer
	# its clock of replies goes on where it was
	on_server true
}
