# SPDX-License-Identifier: GPL-2.0
# desc: policy of shares: a session that moves to RDMA as Windows does, encrypted sessions, a server without multichannel, RDMA said of an interface that has none
# modules: rust
# param: DEV = rxe siw
# deadline: 300
# files: build/peer/smbd-peer tests/peer/guest.sh build/ksmbd/policy/ksmbd.ko build/tool/smbdirectctl

. "$lib/count.sh"
. "$lib/policy.sh"
. "$lib/enforced.sh"
. "$lib/talk.sh"

# denied WHAT COMMAND... : it fails with EACCES, and with nothing else
denied() {
	local what=$1
	shift
	! "$@" >/tmp/out 2>/tmp/why || die "$what was served"
	grep -q 'Permission denied' /tmp/why || die "$what: $(cat /tmp/why)"
	say "ok: denied: $what"
}
# encrypted : what goes to and from the share is, as the client says
encrypted() {
	grep -q 'type: DISK .* encrypted' /proc/fs/cifs/DebugData ||
		{ cat /proc/fs/cifs/DebugData; die 'the share is not encrypted'; }
}

# From the first request on: RDMA is found by the interface query, a channel is bound, and
# data goes there.
moves_as_windows_does() {
	policy_apply share required
	talk windows --channel tcp --user "$SMB_USER" --password "$SMB_PASSWORD"
	expect 'RDMA is advertised' "$(ask windows 1 interfaces)" 1
	expect 'the share over TCP, to look at' "$(ask windows 1 visit)" entered
	expect 'names over TCP' "$(ask windows 1 list)" served
	expect 'WRITE over TCP' "$(ask windows 1 write)" denied
	expect 'READ over TCP' "$(ask windows 1 read)" denied
	expect 'a second channel' "$(ask windows 2 'bind rdma')" bound
	expect 'WRITE over RDMA' "$(ask windows 2 write)" served
	expect 'READ over RDMA' "$(ask windows 2 read)" served
	expect 'READ over TCP, with a channel over RDMA' "$(ask windows 1 read)" denied
	expect 'a chain over RDMA' "$(ask windows 2 chain)" served,served,served
	expect 'a chain over TCP' "$(ask windows 1 chain)" served,denied,served
	expect 'refused' "$(policy_refused share)" '0 4 0'
	expect 'release over TCP' "$(ask windows 1 leave)" left
	bye windows
}

# The answers to refused requests are encrypted as all are; the client looks at that.
encrypted_sessions() {
	local inline options=seal,cache=none,nohandlecache,nosharesock,rsize=131072,wsize=131072
	policy_apply share required
	inline=$(counter inline_received_bytes)
	share_mount /mnt/rdma $options
	encrypted
	cp /tmp/in /mnt/rdma/sealed
	cmp /tmp/in /mnt/rdma/sealed
	at_least 'bytes that came inline' $(($(counter inline_received_bytes) - inline)) 1000000
	tcp_mount /mnt/tcp $options
	encrypted
	ls /mnt/tcp >/tmp/names
	grep -qx sealed /tmp/names || die 'no names over TCP'
	denied 'reading over TCP, encrypted' cat /mnt/tcp/sealed
	denied 'writing over TCP, encrypted' cp /tmp/in /mnt/tcp/other
	policy_apply share off
	denied 'listing over RDMA, encrypted' ls /mnt/rdma
	denied 'opening over RDMA, encrypted' cat /mnt/rdma/sealed
	cmp /tmp/in /mnt/tcp/sealed
	umount /mnt/rdma
	denied 'a mount over RDMA, encrypted' share_mount /mnt/rdma $options
	policy_apply share auto
	share_mount /mnt/rdma $options
	cmp /tmp/in /mnt/rdma/sealed
	umount /mnt/rdma /mnt/tcp
}

# No session can move: over TCP `required` refuses the share itself.
without_multichannel() {
	ksmbd_stop
	# counts begin anew
	put reset 1
	MULTICHANNEL=no ksmbd_start
	echo 'smb direct = required' >>"$ksmbd_conf"
	ctl config check "$ksmbd_conf" 2>/tmp/why || die 'config check refuses the file'
	grep -q "'required' without 'server multi channel support = yes'" /tmp/why || die "no warning: $(cat /tmp/why)"
	ctl config apply "$ksmbd_conf"
	denied 'a mount over TCP without multichannel' tcp_mount /mnt/tcp nosharesock
	set -- $(policy_refused share)
	expect 'refused for what they are, not for not moving' "$1 $2" '0 0'
	at_least 'refused since they cannot move' "$3" 1
	share_mount /mnt/rdma cache=none
	cmp /tmp/in /mnt/rdma/sealed
	umount /mnt/rdma
	ksmbd_stop
	ksmbd_start
}

# told_capable ADDRESS : whether a client is told that this address of the server has RDMA
told_capable() {
	local rc=0
	tcp_mount /mnt/tcp multichannel,nosharesock || die 'no mount over TCP'
	sed -n '/Server interfaces/,$p' /proc/fs/cifs/DebugData >/tmp/told
	umount /mnt/tcp
	grep -q "IPv4: $1\$" /tmp/told || { cat /tmp/told; die "the server does not name $1"; }
	awk -v a="$1" '/Capabilities:/ { rdma = /rdma/ } $1 == "IPv4:" && $2 == a { found = rdma } END { exit !found }' /tmp/told || rc=1
	return $rc
}

said_of_an_interface() {
	put reset 1
	told_capable "$ADDR" || die "$NETDEV is not advertised"
	! told_capable "$PEER_SECOND" || die 'eth8 is advertised and has no RDMA'
	# as a file says it
	{ cat "$ksmbd_conf"; echo "[global]"; echo "smb direct interfaces = \"eth8;capability=RDMA\" $NETDEV"; } >/tmp/said.conf
	ctl config apply /tmp/said.conf || die 'config apply failed'
	holds capabilities eth8=rdma
	told_capable "$PEER_SECOND" || { cat /tmp/told; die 'eth8 is not advertised as it is said to be'; }
	told_capable "$ADDR" || die "$NETDEV is not advertised"
	sed -i 's/=RDMA/=RSS/' /tmp/said.conf
	ctl config apply /tmp/said.conf || die 'config apply failed'
	! told_capable "$PEER_SECOND" || die 'eth8 is advertised against what is said'
	put reset 1
}

run() {
	. "$MODULES/guest.sh"
	modules_load
	peer_server
	policy_enforced
	random_file /tmp/in 1000000
	moves_as_windows_does
	encrypted_sessions
	without_multichannel
	said_of_an_interface
	ip link delete eth8
}
