# SPDX-License-Identifier: GPL-2.0
# desc: the server stands still for ten seconds and goes on, during I/O
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 8000
# boot-group: outside

. "$lib/outside.sh"

server() { outside_server; }
client() { outside fault; }
fault() {
	pause_peer "${PAUSE:-10}"
	sleep "${PAUSE:-10}"
}
