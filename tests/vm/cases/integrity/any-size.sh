# SPDX-License-Identifier: GPL-2.0
# desc: reads and writes of 1 B to 8 MiB at any offset, depth 1 to 32, against a copy in memory
# modules: rust
# param: DEV = rxe siw
# param: CACHE = none strict
# deadline: 300
# boot-group: integrity-a
# memory: 1536

run() {
	local depth
	modules_load
	link_up "$DEV"
	ksmbd_start 'smbd max io size = 8388608'
	rm -rf "${SHARE_DIR:?}"/*
	share_mount /mnt "cache=$CACHE"
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	for depth in 1 32; do
		python3 "$lib/anysize.py" "/mnt/any$depth" --server "$SHARE_DIR/any$depth" \
			--depth $depth --seed $depth --bytes $((24 << 20)) &
		jobs[depth]=$!
	done
	for depth in 1 32; do
		wait ${jobs[depth]} || die "wrong data or an error at depth $depth"
	done
	# many small ones: inline, some at the border to RDMA
	python3 "$lib/anysize.py" /mnt/small --server "$SHARE_DIR/small" --depth 8 \
		--largest 9000 --size 100001 --bytes 1000000 --seed 3 || die 'wrong data or an error in small transfers'
	umount /mnt
}
