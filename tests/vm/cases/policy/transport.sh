# SPDX-License-Identifier: GPL-2.0
# desc: limits, interfaces and what is advertised, from ksmbd.conf by config apply to a mount of cifs
# modules: rust
# param: DEV = rxe siw
# deadline: 240
# files: build/tool/smbdirectctl

. "$lib/counters.sh"
. "$lib/policy.sh"

# A server's connections: their value of a line of `info`, once if all have the same.
server_info() {
	grep -lx 'role server' $SMBD/connections/*/info | xargs awk -v n="$1" '$1 == n { print $2 }' | sort -u
}

# advertised : whether a client is told of an interface that is capable of RDMA
advertised() {
	local n
	tcp_mount /mnt2 multichannel,nosharesock || die 'no mount over TCP'
	n=$(grep -c 'Capabilities: .*rdma' /proc/fs/cifs/DebugData || true)
	umount /mnt2
	[ "$n" != 0 ]
}
not_advertised() { ! advertised; }

run() {
	local before
	policy_load
	modules_load
	link_up "$DEV"
	ksmbd_start "smb direct interfaces = $NETDEV ${DEV}0" 'smb direct receive credits = 32' \
		'smb direct send credits = 24' 'smb direct max send size = 1000' \
		'smb direct max receive size = 900' 'smb direct max fragmented size = 1M' \
		'smb direct max read write size = 512K' 'smb direct keepalive interval = 1' \
		'smb direct max connections per address = 3' 'smb direct credit timeout = 7'
	random_file /tmp/in 3000000
	advertised || die 'no interface is advertised before anything is applied'

	ctl config apply --unenforced "$ksmbd_conf" || die 'config apply failed'
	holds credit_timeout 7
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	expect max_send_size "$(server_info max_send_size)" 1000
	expect max_recv_size "$(server_info max_recv_size)" 900
	expect max_fragmented_recv_size "$(server_info max_fragmented_recv_size)" 1048576
	expect max_read_write_size "$(server_info max_read_write_size)" 524288
	[ "$(server_info recv_credits_granted)" -le 32 ] || die 'more credits are granted than are set'
	cp /tmp/in /mnt/file
	cmp /tmp/in /mnt/file
	before=$(total keepalives_sent)
	wait_for 'keepalives' 20 probes "$before"

	# what is signed goes inline, here in messages of many times what the credits carry
	umount /mnt
	share_mount /mnt cache=none,sign
	before=$(total inline_received_bytes)
	cp /tmp/in /mnt/inline
	[ $(($(total inline_received_bytes) - before)) -ge 3000000 ] || die 'the data did not go inline'
	cmp /tmp/in /mnt/inline

	# a connection that is there stays; another one is refused
	put interfaces "!$NETDEV"
	cmp /tmp/in /mnt/file
	before=$(of $SMBD/failures refused_interface)
	expect_fail 'a mount where no connections are taken' share_mount /mnt2 nosharesock
	[ "$(of $SMBD/failures refused_interface)" -gt "$before" ] || die 'refused_interface did not grow'
	umount /mnt
	expect_fail 'another one' share_mount /mnt nosharesock
	not_advertised || die 'an interface is advertised where no connections are taken'

	put interfaces "$ADDR"
	advertised || die 'an interface is not advertised that is named by its address'
	put capabilities "$NETDEV=none"
	not_advertised || die 'an interface is advertised that is said to be none'
	put interfaces default
	put capabilities default
	advertised || die 'an interface is not advertised without lists'
	put smb_direct off
	not_advertised || die 'an interface is advertised although no share allows RDMA'
	put reset 1
	mkdir -p $POLICY/draft/shares/share
	put draft/shares/share/smb_direct off
	put draft/commit 1
	not_advertised || die 'an interface is advertised although the only share is off'
	mkdir $POLICY/draft/shares/other
	put draft/commit 1
	advertised || die 'an interface is not advertised although a share allows RDMA'
	draft_remove draft
	put reset 1
	holds shares '* default 0 0 0'
	share_mount /mnt
	cmp /tmp/in /mnt/file
	umount /mnt
}

probes() { [ "$(total keepalives_sent)" -gt "$1" ]; }
