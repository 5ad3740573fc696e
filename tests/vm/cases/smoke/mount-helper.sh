# SPDX-License-Identifier: GPL-2.0
# desc: mount -t smbdirect: RDMA if the server takes it, TCP if not, or nothing; check SERVER says the same
# param: DEV = rxe siw
# deadline: 300
# files: build/tool/mount.smbdirect build/tool/smbdirectctl

. "$lib/counters.sh"
. "$lib/policy.sh"

# helped DIR OPTIONS : mounts by the helper; what it says is in /tmp/said
helped() {
	mkdir -p "$1"
	mount -t smbdirect "//$ADDR/share" "$1" -o "username=$SMB_USER,password=$SMB_PASSWORD,$2" 2>/tmp/said
}
said() { grep -qF -- "$1" /tmp/said || { cat /tmp/said; die "it was not said: $1"; }; }
# checked EXIT : what check of the server finds
checked() {
	local rc=0
	ctl check "$ADDR" >/tmp/checked || rc=$?
	[ "$rc" = "$1" ] || { cat /tmp/checked; die "check gives $rc, should be $1"; }
	say "ok: check gives $1: $(grep RDMA /tmp/checked | tail -n 1)"
}
nothing_left() { [ ! -e $POLICY/probes ]; }
tcp_only() {
	! rdma_mounted "$1" && [ -n "$(ss -Htn state established 'dport = :445')" ]
}

run() {
	local rc=0 port=445 before
	[ "$DEV" = rxe ] || port=5445
	cp "$MODULES/mount.smbdirect" /usr/sbin/mount.smbdirect
	policy_load
	modules_load
	link_up "$DEV"
	ksmbd_start
	random_file /tmp/in 3000000

	# RDMA, with all three spellings
	for before in rdma=auto rdma=required vers=3.1.1; do
		helped /mnt "$before" || { cat /tmp/said; die "no mount with $before"; }
		rdma_mounted /mnt || die "the mount with $before does not use RDMA"
		said "over RDMA: negotiated over ${DEV}0 port $port"
		nothing_left || die 'a probe is left'
		cp /tmp/in /mnt/file
		umount /mnt
	done
	cat /tmp/said
	cmp /tmp/in "$SHARE_DIR/file"
	dmesg >/tmp/dmesg
	grep -q "mount.smbdirect: //$ADDR/share on /mnt: over RDMA" /tmp/dmesg || die 'the kernel log has no line'
	! grep -qF "$SMB_PASSWORD" /tmp/said /tmp/dmesg || die 'the password is in a log'
	# what a killed one left goes with the next
	mkdir -p $POLICY/probes/check.4999999.0
	checked 0
	nothing_left || die 'the probe of a killed process is left'
	ctl check "$ADDR" --json | python3 -c "
import json, sys
probe = json.load(sys.stdin)['probe']
assert probe['outcome'] == 'connected' and probe['device'] == '${DEV}0' and probe['port'] == $port, probe"

	# off, and a file of credentials, which is mount.cifs's business
	printf 'username=%s\npassword=%s\n' "$SMB_USER" "$SMB_PASSWORD" >/tmp/credentials
	before=$(total connections_initiated)
	mount -t smbdirect "//$ADDR/share" /mnt -o rdma=off,credentials=/tmp/credentials 2>/tmp/said ||
		{ cat /tmp/said; die 'no mount with a file of credentials'; }
	tcp_only /mnt || die 'the mount is not over TCP'
	expect 'RDMA connections that were made' $(($(total connections_initiated) - before)) 0
	[ ! -s /tmp/said ] || die "something was said: $(cat /tmp/said)"
	umount /mnt
	mount -f -t smbdirect "//$ADDR/share" /mnt -o credentials=/tmp/credentials || die 'mount -f fails'
	no_cifs_mounts || die 'mount -f has mounted'
	expect 'RDMA connections of mount -f' $(($(total connections_initiated) - before)) 0

	# the server takes RDMA connections on another interface only
	put interfaces eth77
	helped /mnt rdma=auto || { cat /tmp/said; die 'no mount over TCP'; }
	cat /tmp/said
	tcp_only /mnt || die 'the mount is not over TCP'
	said 'over TCP: '
	said 'cause refused'
	cmp /tmp/in /mnt/file
	umount /mnt
	helped /mnt rdma=required || rc=$?
	expect 'exit status without RDMA' $rc 32
	cat /tmp/said
	said 'RDMA is required'
	no_cifs_mounts || die 'it is mounted all the same'
	[ "$DEV" = siw ] || checked 58
	put interfaces default

	# nothing is left of RDMA on the way
	ip link add eth8 type dummy
	ip link set eth8 up
	ip addr add 10.9.8.1/24 dev eth8
	ADDR=10.9.8.1 helped /mnt rdma=auto || { cat /tmp/said; die 'no mount over TCP'; }
	tcp_only /mnt || die 'the mount is not over TCP'
	cat /tmp/said
	umount /mnt
	ip link delete eth8

	# without configfs nothing can be probed
	umount /sys/kernel/config
	helped /mnt rdma=auto || { cat /tmp/said; die 'no mount over TCP'; }
	said 'configfs is not mounted'
	tcp_only /mnt || die 'the mount is not over TCP'
	umount /mnt
	helped /mnt rdma=required || { cat /tmp/said; die 'no mount over RDMA'; }
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	umount /mnt
	checked 0
	grep -q 'unknown  RDMA .*configfs is not mounted' /tmp/checked || { cat /tmp/checked; die 'check does not say that nothing was tried'; }
	mount -t configfs none /sys/kernel/config

	# nobody is there any more
	ksmbd_stop
	rc=0
	helped /mnt rdma=required || rc=$?
	expect 'exit status without a server' $rc 32
	said 'nobody takes RDMA connections there'
	rc=0
	helped /mnt rdma=auto || rc=$?
	[ $rc != 0 ] || die 'mounted from nobody'
	said 'over TCP: '
	checked 53
	nothing_left || die 'a probe is left'
	rm /usr/sbin/mount.smbdirect /tmp/credentials
}
