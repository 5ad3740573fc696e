# SPDX-License-Identifier: GPL-2.0
# desc: siw that begins to listen to a connection too late for its first message
# vms: 2
# modules: rust/rust rust/c c/rust c/c
# control: c/c
# deadline: 150
# files: build/lab/slow/smbdirect_slow.ko
#
# siw's passive side answers the MPA handshake and only then has the socket tell it
# of data. A client's negotiate request that comes in between lies there until
# anything else comes, and the server gives up. Here that takes 300 ms, so every
# connection meets it; one end with our module is enough to get over it.

mounts() {
	local i t0
	for i in 1 2 3; do
		t0=$(now_ms)
		share_mount /mnt
		rdma_mounted /mnt || die 'the mount does not use RDMA'
		say "mounted after $(($(now_ms) - t0)) ms"
		cmp /mnt/file /mnt/file
		umount /mnt
	done
}

server() {
	module_load smbdirect
	link_up siw
	module_load smbdirect_slow symbol=siw_send_mpareqrep ms=300
	ksmbd_start
	random_file "$SHARE_DIR/file" 100000
	tell up
	hear finished 120 >/dev/null
	local hits
	hits=$(cat /sys/module/smbdirect_slow/parameters/hits)
	[ "$hits" -ge 3 ] || die "the probe was hit $hits times only"
	rmmod smbdirect_slow
}

client() {
	modules_load
	link_up siw
	hear up >/dev/null
	mounts
	tell finished
}
