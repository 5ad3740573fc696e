# SPDX-License-Identifier: GPL-2.0
# desc: a clean mount, use and unmount: at most one line of the kernel log each from us, none above info
# param: DEV = rxe siw
# deadline: 120
# boot-group: counters

. "$lib/count.sh"

# since MARK : what the kernel log has after that line, with levels
since() { dmesg -x | sed "1,/case: $1\$/d"; }

# quiet STEP : at most one line of our module since the mark, none of ours that warns or worse. (cifs has lines of its own for a
# mount, some of them as errors: that it tries port 5445 first, and that it uses RDMA.)
quiet() {
	local ours loud
	ours=$(since "$1" | grep -c 'smbdirect' || true)
	loud=$(since "$1" | grep 'smbdirect' | grep -E '^(kern|user) *:(emerg|alert|crit|err|warn) *:' || true)
	since "$1" | grep -iE 'smbdirect|ksmbd|cifs' || true
	[ "$ours" -le 1 ] || die "$1: $ours lines from us"
	[ -z "$loud" ] || die "$1: $loud"
	say "ok: $1: $ours lines from us, no warning"
}

run() {
	modules_load
	link_up "$DEV"
	ksmbd_start
	kmsg mount
	share_mount /mnt
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	quiet mount
	kmsg use
	random_file /tmp/in 3000000
	cp /tmp/in /mnt/file
	cmp /tmp/in /mnt/file
	ls -l /mnt >/dev/null
	quiet use
	kmsg unmount
	umount /mnt
	sleep 1
	quiet unmount
}
