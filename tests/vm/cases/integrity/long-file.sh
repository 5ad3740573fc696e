# SPDX-License-Identifier: GPL-2.0
# desc: a long file out and in, every page of it different (MIB=2048: 2 GiB)
# modules: rust
# param: DEV = rxe siw
# param: MIB = 256 2048
# deadline: 900
# memory: 3584

run() {
	modules_load
	link_up "$DEV"
	# the file lies in the memory of the guest
	SHARE_SIZE=$((MIB + 64))m ksmbd_start 'smbd max io size = 8388608'
	rm -rf "${SHARE_DIR:?}"/*
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	python3 "$lib/stream.py" write /mnt/long "$MIB"
	expect 'size on the server' "$(stat -c %s "$SHARE_DIR/long")" $((MIB << 20))
	python3 "$lib/stream.py" check "$SHARE_DIR/long" "$MIB"
	umount /mnt
	share_mount /mnt cache=none
	python3 "$lib/stream.py" check /mnt/long "$MIB"
	umount /mnt
}
