# SPDX-License-Identifier: GPL-2.0
# desc: reads and writes of 8 MiB with `smbd max io size = 8388608`
# modules: rust
# param: DEV = rxe siw
# deadline: 240
# boot-group: integrity-b
# memory: 1536

. "$lib/count.sh"

run() {
	local before
	modules_load
	link_up "$DEV"
	ksmbd_start 'smbd max io size = 8388608' 'smb2 max read = 8388608' 'smb2 max write = 8388608'
	rm -rf "${SHARE_DIR:?}"/*
	share_mount /mnt cache=none,rsize=8388608,wsize=8388608
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	say "the mount: $(grep -o '[rw]size=[0-9]*' /proc/mounts | tr '\n' ' ')"
	say "the connection: $(grep -o 'max_readwrite_size: [0-9]*' /proc/fs/cifs/DebugData)"
	random_file /tmp/in $((40 << 20))
	before=$(counter rdma_transfers)
	dd if=/tmp/in of=/mnt/out bs=8M iflag=fullblock status=none
	cmp /tmp/in "$SHARE_DIR/out"
	dd if=/mnt/out of=/tmp/back bs=8M status=none
	cmp /tmp/in /tmp/back
	if [ "$SMBDIRECT" = rust ]; then
		say "$(($(counter rdma_transfers) - before)) transfers for 80 MiB"
	fi
	python3 "$lib/anysize.py" /mnt/any --server "$SHARE_DIR/any" --depth 4 --bytes $((32 << 20)) || die 'wrong data'
	umount /mnt
}
