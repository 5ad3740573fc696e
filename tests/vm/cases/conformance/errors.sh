# SPDX-License-Identifier: GPL-2.0
# desc: conformance: what must be refused (X)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 1200
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_server
	peer_run X
}
