# SPDX-License-Identifier: GPL-2.0
# desc: signing or encryption demanded by the server: all data goes inline, in fragments
# modules: rust
# param: DEV = rxe siw
# param: MODE = signing encryption
# deadline: 240
# boot-group: integrity-b
# memory: 1536

. "$lib/count.sh"

# cifs limits its reads and writes to what a message may hold only when it signs,
# not when it encrypts: without these options its writes are refused (EINVAL).
options=cache=none,rsize=131072,wsize=131072

# sizes around a fragment (1340 bytes of payload), and far more than a message holds
sizes='1 1340 1341 4096 65536 131072 500001 6000000'

# What the client says about the connection (signed) and the session (encrypted).
secured() {
	case $1 in
	signed) grep -q 'Dialect 0x[0-9a-f]* signed' /proc/fs/cifs/DebugData ;;
	encrypted) grep -q 'SessionId: .* encrypted' /proc/fs/cifs/DebugData ;;
	esac
}

round() {
	local n inline_before rdma_before word=signed
	[ "$MODE" = signing ] || word=encrypted
	rm -rf "$SHARE_DIR"/*
	inline_before=$(counter inline_received_bytes)
	rdma_before=$(($(counter rdma_read_bytes) + $(counter rdma_write_bytes)))
	VERS=$1 share_mount /mnt $options
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	secured $word || { cat /proc/fs/cifs/DebugData; die "the session is not $word"; }
	cp /tmp/in/* /mnt/
	umount /mnt
	same_tree /tmp/in "$SHARE_DIR" || die 'other bytes arrived'
	VERS=$1 share_mount /mnt $options
	same_tree /tmp/in /mnt || die 'other bytes came back'
	umount /mnt
	if [ "$SMBDIRECT" = rust ]; then
		at_least "bytes received inline with SMB $1" \
			$(($(counter inline_received_bytes) - inline_before)) $((2 * 6700000))
		expect "bytes by RDMA with SMB $1" \
			$(($(counter rdma_read_bytes) + $(counter rdma_write_bytes))) "$rdma_before"
	fi
	say "SMB $1 $word: both ways"
}

run() {
	local n
	modules_load
	link_up "$DEV"
	case $MODE in
	signing) ksmbd_start 'server signing = mandatory' ;;
	encryption) ksmbd_start 'smb3 encryption = mandatory' ;;
	esac
	rm -rf /tmp/in
	mkdir /tmp/in
	for n in $sizes; do random_file "/tmp/in/f.$n" "$n"; done
	round 3.0
	round 3.1.1
}
