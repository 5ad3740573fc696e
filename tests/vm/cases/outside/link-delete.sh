# SPDX-License-Identifier: GPL-2.0
# desc: `rdma link delete` during I/O on either side, at random moments
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 5000
# boot-group: outside

. "$lib/outside.sh"

link_lost() {
	local t0
	t0=$(now_ms)
	timeout 60 rdma link delete "${DEV}0" || die 'the link cannot be deleted'
	[ ! -e "/sys/class/infiniband/${DEV}0" ] || die 'the device is still there'
	say "  the link was deleted in $(($(now_ms) - t0)) ms"
	# its clients have gone with it
	[ "$SMBDIRECT" = c ] || wait_for 'connections to end' 10 none_active
	moment 0 800
	link_up "$DEV"
}
none_active() { [ "$(counter connections_active)" = 0 ]; }

server() { outside_server; }
client() { outside fault; }
fault() { either_side link_lost; }
