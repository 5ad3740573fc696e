# SPDX-License-Identifier: GPL-2.0
# desc: reads beyond the end, sparse files, holes, truncation, mmap
# modules: rust
# param: DEV = rxe siw
# param: CACHE = none strict
# deadline: 200
# boot-group: integrity-b
# memory: 1536
#
# The C module fails the last step with cache=strict (EAGAIN): netfs reads around
# the dirty part of a page with a list that has holes, which it cannot register.

run() {
	modules_load
	link_up "$DEV"
	ksmbd_start
	rm -rf "${SHARE_DIR:?}"/*
	share_mount /mnt "cache=$CACHE"
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	python3 "$lib/edges.py" /mnt "$SHARE_DIR" || die 'see above'
	umount /mnt
}
