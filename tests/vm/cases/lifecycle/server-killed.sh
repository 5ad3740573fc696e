# SPDX-License-Identifier: GPL-2.0
# desc: the server's machine loses power during I/O: errors in time, and I/O goes on when it is back
# vms: 2
# modules: rust/rust
# param: DEV = rxe siw
# deadline: 300
# boot-group: two

. "$lib/count.sh"
. "$lib/traffic.sh"
. "$lib/power.sh"

server() {
	module_load smbdirect
	link_up "$DEV"
	ksmbd_start
	rm -rf "${SHARE_DIR:?}"/*
	if [ -z "$AGAIN" ]; then
		tell up
		# it does not come that far
		hear never 250 || true
		die 'the machine did not lose power'
	fi
	tell back
	hear finished 250 >/dev/null
}

# The client must notice on its own: nobody tells it. (Connections that have
# ended are counted, since the server may be back before anybody looks.)
ended() { awk '/^ended_/ { n += $2 } END { print n + 0 }' /sys/kernel/smbdirect/failures; }
noticed() { [ "$(ended)" -gt "$before" ]; }

client() {
	local t0 before
	modules_load
	# an idle or stuck connection is found dead after this and five seconds
	echo 5 >/proc/fs/cifs/smbd_keep_alive_interval
	link_up "$DEV"
	hear up 100 >/dev/null
	share_mount /mnt cache=none,echo_interval=10
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	traffic_start /mnt 280
	t0=$(now_ms)
	before=$(ended)
	crash_peer
	wait_for 'the client to notice' 60 noticed
	say "ok: the client noticed after $(($(now_ms) - t0)) ms"
	hear back 200 >/dev/null
	traffic_goes_on 90
	traffic_stop
	umount /mnt
	tell finished
}
