# SPDX-License-Identifier: GPL-2.0
# desc: ksmbd is stopped and started again during I/O
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 5000
# boot-group: outside

. "$lib/outside.sh"

restart() {
	local t0
	t0=$(now_ms)
	ksmbd_stop || die 'ksmbd does not stop during I/O'
	say "  ksmbd stopped in $(($(now_ms) - t0)) ms"
	[ "$SMBDIRECT" = c ] || expect 'active connections' "$(counter connections_active)" 0
	moment 0 1000
	ksmbd_start
}

server() { outside_server; }
client() { outside fault; }
fault() { on_server restart; }
