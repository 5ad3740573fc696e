# SPDX-License-Identifier: GPL-2.0
# desc: ksmbd is stopped during I/O and started again: it stops in time, the client goes on
# modules: rust
# param: DEV = rxe siw
# deadline: 240
# boot-group: lifecycle-one

. "$lib/count.sh"
. "$lib/traffic.sh"

run() {
	local t0 round
	modules_load
	link_up "$DEV"
	ksmbd_start
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	traffic_start /mnt 200
	for round in $(seq "${ROUNDS:-2}"); do
		t0=$(now_ms)
		ksmbd_stop || die 'ksmbd does not stop during I/O'
		say "ok: ksmbd stopped in $(($(now_ms) - t0)) ms"
		if [ "$SMBDIRECT" = rust ]; then
			expect 'active connections' "$(counter connections_active)" 0
		fi
		ksmbd_start
		traffic_goes_on 60
	done
	traffic_stop
	umount /mnt
}
