# SPDX-License-Identifier: GPL-2.0
# desc: rmmod is refused while the module is in use, works afterwards, and the module can come back
# modules: rust
# param: DEV = rxe siw
# deadline: 150
# boot-group: lifecycle-one

. "$lib/count.sh"

refused() {
	local m
	for m in "$@"; do
		! rmmod "$m" 2>/tmp/rmmod.err || die "rmmod $m was not refused"
		grep -q 'in use' /tmp/rmmod.err || die "rmmod $m: $(cat /tmp/rmmod.err)"
		say "ok: refused: rmmod $m"
	done
}

run() {
	local round
	modules_unload
	for round in 1 2; do
		modules_load
		link_up "$DEV"
		refused smbdirect
		ksmbd_start
		share_mount /mnt
		random_file /tmp/in 2000000
		cp /tmp/in /mnt/file
		refused smbdirect cifs ksmbd
		cmp /mnt/file /tmp/in
		umount /mnt
		ksmbd_stop
		refused smbdirect
		wait_for 'the RDMA resources to go' 20 rdma_idle
		rmmod cifs
		refused smbdirect
		rmmod ksmbd
		rmmod smbdirect || die 'smbdirect is still in use'
		! module_loaded smbdirect || die 'smbdirect is still loaded'
		[ ! -e /sys/kernel/debug/smbdirect ] || die 'debugfs files are left'
		say "ok: round $round: unloaded in order"
		links_remove
	done
}
