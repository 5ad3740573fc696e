# SPDX-License-Identifier: GPL-2.0
# desc: the policy of a share changes while the kernel's client uses it, over RDMA and TCP
# modules: rust
# param: DEV = rxe siw
# deadline: 300
# files: build/ksmbd/policy/ksmbd.ko build/tool/smbdirectctl
# boot-group: policy-live

. "$lib/count.sh"
. "$lib/policy.sh"
. "$lib/enforced.sh"
. "$lib/traffic.sh"

old_mount() { VERS=2.1 tcp_mount "$@"; }
write_held() { echo no >&$fd; }
refuses() { ! "$@" 2>/tmp/why && grep -q 'Permission denied' /tmp/why; }
# open_files : how many the server has open, over all connections
open_files() { awk '$1 == "open_files:" { n += $2 } END { print n + 0 }' /proc/fs/ksmbd/clients; }
none_open() { [ "$(open_files)" = 0 ]; }
refusals() { policy_refused share | tr ' ' '\n' | awk '{ n += $1 } END { print n + 0 }'; }
refused_more() { [ "$(refusals)" -gt "$1" ]; }

run() {
	local before i fd at earlier
	modules_load
	link_up "$DEV"
	ksmbd_start
	policy_enforced
	# from the file, which says that its policy can be enforced
	{ cat "$ksmbd_conf"; echo 'smb direct = off'; } >/tmp/off.conf
	ctl config apply /tmp/off.conf || die 'config apply failed'
	expect_fail 'a mount over RDMA of a share that is off' share_mount /mnt/rdma
	put reset 1
	policy_apply share auto

	# the policy comes and goes, and the mount does not notice: over RDMA all is served
	share_mount /mnt/rdma cache=none,nohandlecache
	rdma_mounted /mnt/rdma || die 'the mount does not use RDMA'
	traffic_start /mnt/rdma 200
	for i in $(seq 3); do
		policy_apply share required
		policy_apply share auto
	done
	policy_apply share required
	traffic_goes_on 60
	expect 'errors over RDMA' "$(traffic_field errors)" 0
	expect 'refused' "$(policy_refused share)" '0 0 0'

	# off: refused from now on, what is open can be closed, and it works again afterwards
	echo held >/mnt/rdma/held
	exec {fd}<>/mnt/rdma/held
	earlier=$(policy_lines share)
	at=$(now_ms)
	policy_apply share off
	wait_for 'the traffic to be refused' 30 refused_more 0
	before=$(traffic_field ok)
	refuses ls /mnt/rdma || die "listing over RDMA: $(cat /tmp/why)"
	refuses cat /mnt/rdma/held || die "opening over RDMA: $(cat /tmp/why)"
	refuses write_held || die "writing what is open over RDMA: $(cat /tmp/why)"
	exec {fd}>&-
	sleep 2
	at_most 'files that came through' $(($(traffic_field ok) - before)) 1
	wait_for 'the server to have nothing open' 30 none_open
	say "ok: no open file on the server"
	expect 'connections of the mount' "$(awk '/^transport:/ && /smbdirect|rdma/' /proc/fs/ksmbd/clients | grep -c .)" 1
	expect 'the file on the server' "$(cat "$SHARE_DIR/held")" held
	i=$(($(policy_lines share) - earlier))
	at_least 'lines in the log' $i 1
	at_most 'lines in the log' $i $((1 + ($(now_ms) - at) / 60000))
	policy_apply share auto
	traffic_goes_on 60
	traffic_stop
	expect 'the file over RDMA' "$(cat /mnt/rdma/held)" held
	umount /mnt/rdma

	# required, over TCP, and SMB 2.1 has no channels: a mount from before loses all but its release
	old_mount /mnt/tcp cache=none,nohandlecache,nosharesock
	expect 'the file over TCP' "$(cat /mnt/tcp/held)" held
	policy_apply share required
	refuses cat /mnt/tcp/held || die "reading over TCP: $(cat /tmp/why)"
	refuses ls /mnt/tcp || die "listing over TCP: $(cat /tmp/why)"
	umount /mnt/tcp
	expect_fail 'a mount over TCP that cannot move' old_mount /mnt/tcp nosharesock

	# one that could move (cifs always says that it knows multichannel) looks around, and gets no data
	tcp_mount /mnt/tcp cache=none,nohandlecache,nosharesock
	ls /mnt/tcp >/tmp/names
	grep -qx held /tmp/names || die 'no names over TCP'
	refuses cat /mnt/tcp/held || die "reading over TCP: $(cat /tmp/why)"
	umount /mnt/tcp
	share_mount /mnt/rdma cache=none,nohandlecache
	expect 'the file over RDMA' "$(cat /mnt/rdma/held)" held
	umount /mnt/rdma

	# a second line about the share a minute after the first, with the sum
	i=$(($(now_ms) - at))
	[ $i -ge 61000 ] || sleep $(((61000 - i) / 1000 + 1))
	expect_fail 'a mount over TCP that cannot move' old_mount /mnt/tcp nosharesock
	i=$(($(policy_lines share) - earlier))
	at_least 'lines in the log' $i 2
	at_most 'lines in the log' $i $((1 + ($(now_ms) - at) / 60000))
	dmesg | grep -E "share share: [A-Z_]+ over TCP refused for $ADDR.*\(smb direct = required\), [0-9]+ refused in all" ||
		die 'no line with the address of a client over TCP'

	put reset 1
	ksmbd_stop
	modules_unload || die 'the modules cannot be removed'
}
