# SPDX-License-Identifier: GPL-2.0
# desc: conformance: interfaces and channels over TCP (F), RDMA transforms (E, S)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 300
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_server
	peer_run --user "$SMB_USER" --password "$SMB_PASSWORD" F E S
}
