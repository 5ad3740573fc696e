# SPDX-License-Identifier: GPL-2.0
# desc: connections and messages over IPv6, through the exported functions (ksmbd itself binds IPv4 only)
# vms: 2
# modules: rust/rust rust/c c/rust c/c
# control: c/c
# param: DEV = rxe siw
# deadline: 200
# boot-group: two
# files: build/lab/hold/smbdirect_hold.ko

hold=/sys/module/smbdirect_hold/parameters/command

hold_load() {
	local iwarp=0
	[ "$DEV" = rxe ] || iwarp=1
	module_load smbdirect
	link_up "$DEV"
	insmod "$MODULES/smbdirect_hold.ko" addr="$ADDR6" iwarp=$iwarp
}
servers_connected() { [ "$(<$hold)" = "clients 0 connected 0 servers 4 connected $1" ]; }

server() {
	hold_load
	echo listen >$hold
	ksmbd_start
	tell up
	hear connected 100 >/dev/null
	wait_for 'four accepted connections' 20 servers_connected 4
	tell echoing
	echo 'echo 50' >$hold
	hear dropped 60 >/dev/null
	wait_for 'the connections to end' 20 servers_connected 0
	rmmod smbdirect_hold
	hear finished 60 >/dev/null
}

client() {
	local t0
	hold_load
	hear up 100 >/dev/null
	echo 'connect 4' >$hold
	expect 'connections over IPv6' "$(<$hold)" 'clients 4 connected 4 servers 0 connected 0'
	rdma resource show cm_id | grep -F "$ADDR6" || die 'the connections are not over IPv6'
	tell connected
	hear echoing 60 >/dev/null
	# 50 messages of 1 to 100,000 bytes each way on each connection
	echo 'talk 50' >$hold
	say 'ok: 200 messages came back as they were sent'
	echo 'drop clients' >$hold
	tell dropped
	rmmod smbdirect_hold
	# cifs tries IPv6, too; nobody listens there, which it must find out in time
	module_load cifs
	t0=$(now_ms)
	if SMB_HOST=$ADDR6 share_mount /mnt; then
		say 'ksmbd listens on IPv6 now: this case should mount'
		umount /mnt
	else
		say "ok: a mount over IPv6 was refused after $(($(now_ms) - t0)) ms"
	fi
	share_mount /mnt
	umount /mnt
	tell finished
}
