# SPDX-License-Identifier: GPL-2.0
# desc: four channels of one session carry one load
# modules: rust
# param: DEV = rxe siw
# deadline: 240
# boot-group: integrity-b
# memory: 1536

. "$lib/count.sh"

channels() {
	local extra
	extra=$(sed -n 's/.*Extra Channels: \([0-9]*\).*/\1/p' /proc/fs/cifs/DebugData | head -n 1)
	echo $((1 + ${extra:-0}))
}
four_channels() { [ "$(channels)" = 4 ]; }

# What each connection (both ends of each channel, no listener) has received; a
# channel that only logs on gets about five messages.
carried() {
	awk '/^connection/ { n = $2; listener = / role Listener / }
	     $1 == "messages_received" && !listener {
		print "connection " n ": " $2 " messages received"
		idle += $2 < 20
	     }
	     END { exit idle > 0 }' "$OUT/connections"
}

run() {
	modules_load
	# cifs uses an interface of the server for a second channel only if it has
	# several queues (receive side scaling), which ksmbd asks the netdev
	ip link add eth9 numtxqueues 4 numrxqueues 4 type dummy
	link_up "$DEV"
	ksmbd_start 'smbd max io size = 8388608'
	rm -rf "${SHARE_DIR:?}"/*
	share_mount /mnt multichannel,max_channels=4,cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	wait_for 'four channels' 30 four_channels ||
		{ cat /proc/fs/cifs/DebugData; die "$(channels) channels"; }
	say 'ok: 4 channels'
	python3 "$lib/anysize.py" /mnt/any --server "$SHARE_DIR/any" --depth 16 \
		--bytes $((32 << 20)) || die 'wrong data'
	four_channels || die "$(channels) channels after the load"
	if [ "$SMBDIRECT" = rust ]; then
		expect 'connections on both sides' "$(counter connections_active)" 8
		cp /sys/kernel/debug/smbdirect/connections "$OUT/connections"
		carried || die 'a channel carried next to nothing'
	fi
	umount /mnt
}
