# SPDX-License-Identifier: GPL-2.0
# desc: connections and messages over IPv6, through the exported functions (ksmbd itself binds IPv4 only)
# vms: 2
# modules: rust/rust rust/c c/rust c/c
# control: c/c
# param: DEV = rxe siw
# deadline: 200
# boot-group: two-ipv6
# files: build/lab/hold/smbdirect_hold.ko

. "$lib/count.sh"
. "$lib/memory.sh"

hold_ready() {
	local iwarp=0
	[ "$DEV" = rxe ] || iwarp=1
	module_load smbdirect
	link_up "$DEV"
	hold_load addr="$ADDR6" iwarp=$iwarp
}

server() {
	hold_ready
	hold listen
	ksmbd_start
	tell up
	hear connected 100 >/dev/null
	wait_for 'four accepted connections' 20 held servers 4
	tell echoing
	hold echo 50
	hear dropped 60 >/dev/null
	wait_for 'the connections to end' 20 held servers 0
	hold drop servers
	hear finished 60 >/dev/null
}

client() {
	local t0
	hold_ready
	hear up 100 >/dev/null
	hold connect 4
	held clients 4 || die "connections over IPv6: $(<$hold_command)"
	rdma resource show cm_id | grep -F "$ADDR6" || die 'the connections are not over IPv6'
	tell connected
	hear echoing 60 >/dev/null
	# 50 messages of 1 to 100,000 bytes each way on each connection
	hold talk 50
	say 'ok: 200 messages came back as they were sent'
	hold drop clients
	tell dropped
	# cifs tries IPv6, too; nobody listens there, which it must find out in time
	module_load cifs
	t0=$(now_ms)
	if SMB_HOST=$ADDR6 share_mount /mnt; then
		die 'ksmbd listens on IPv6 now: this case should use it'
	fi
	at_most 'time until a mount over IPv6 was refused (ms)' $(($(now_ms) - t0)) 40000
	share_mount /mnt
	umount /mnt
	tell finished
}
