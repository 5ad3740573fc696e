# SPDX-License-Identifier: GPL-2.0
# desc: conformance: data by RDMA and remote invalidation (R, I)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 900
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_server
	peer_run --user "$SMB_USER" --password "$SMB_PASSWORD" R I
}
