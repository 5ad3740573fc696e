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

# The payload messages each connection of the server side has received.
per_connection() {
	awk '/^connection/ { n = 0; if ($0 ~ /role Accepted|role Server/) n = 1 }
	     n && $1 == "messages_received" { print $2 }' /sys/kernel/debug/smbdirect/connections
}

run() {
	modules_load
	link_up "$DEV"
	ksmbd_start 'smbd max io size = 8388608'
	rm -rf "${SHARE_DIR:?}"/*
	share_mount /mnt multichannel,max_channels=4,cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	wait_for 'four channels' 30 four_channels ||
		{ cat /proc/fs/cifs/DebugData; die "$(channels) channels"; }
	say 'ok: 4 channels'
	python3 "$lib/anysize.py" /mnt/any --depth 16 --bytes $((32 << 20)) || die 'wrong data'
	four_channels || die "$(channels) channels after the load"
	if [ "$SMBDIRECT" = rust ]; then
		expect 'connections on both sides' "$(counter connections_active)" 8
		cp /sys/kernel/debug/smbdirect/connections "$OUT/connections"
		grep -c '^connection' "$OUT/connections"
		awk '/^connection/ { c = $2 } $1 == "messages_received" { print "connection " c ": " $2 " messages received"; if ($2 < 3 && !listen[c]) idle++ }
		     $1 == "not_accepted" { listen[c] = 1 } END { exit idle > 0 }' "$OUT/connections" ||
			die 'a channel carried nothing'
	fi
	umount /mnt
}
