# SPDX-License-Identifier: GPL-2.0
# desc: `rdma link delete` during I/O, on either side; the link comes back and I/O goes on
# vms: 2
# modules: rust/rust
# param: DEV = rxe siw
# param: SIDE = server client
# deadline: 240
# boot-group: two

. "$lib/count.sh"
. "$lib/traffic.sh"

# The device must go in time although it is full of work, and nothing of ours
# may stay on it.
delete_link() {
	local t0
	t0=$(now_ms)
	timeout 40 rdma link delete "${DEV}0" || die 'the link cannot be deleted'
	say "ok: the link was deleted in $(($(now_ms) - t0)) ms"
	[ ! -e "/sys/class/infiniband/${DEV}0" ] || die 'the device is still there'
	if [ "$SMBDIRECT" = rust ]; then
		wait_for 'connections to end' 10 none_active
		cp /sys/kernel/debug/smbdirect/stats "$OUT/stats-$SIDE-$VM"
	fi
}
none_active() { [ "$(counter connections_active)" = 0 ]; }

server() {
	module_load smbdirect
	link_up "$DEV"
	ksmbd_start
	rm -rf "${SHARE_DIR:?}"/*
	tell up
	if [ "$SIDE" = server ]; then
		hear busy 100 >/dev/null
		delete_link
		tell deleted
		sleep 2
		link_up "$DEV"
		tell back
	fi
	hear finished 200 >/dev/null
}

client() {
	modules_load
	link_up "$DEV"
	hear up 100 >/dev/null
	share_mount /mnt cache=none,echo_interval=5
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	traffic_start /mnt 200
	tell busy
	if [ "$SIDE" = server ]; then
		hear back 100 >/dev/null
	else
		delete_link
		sleep 2
		link_up "$DEV"
	fi
	traffic_goes_on 90
	traffic_stop
	umount /mnt
	tell finished
}
