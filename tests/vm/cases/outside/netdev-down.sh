# SPDX-License-Identifier: GPL-2.0
# desc: the network interface goes down and up during I/O, on either side
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 5000
# boot-group: outside

. "$lib/outside.sh"

netdev_lost() {
	ip link set "$NETDEV" down
	moment 100 4000
	ip link set "$NETDEV" up
	qp1_mend
}

server() { outside_server; }
client() { outside fault; }
fault() { either_side netdev_lost; }
