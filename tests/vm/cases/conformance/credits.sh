# SPDX-License-Identifier: GPL-2.0
# desc: conformance: credits (C-01 to C-04)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 600
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_server
	peer_run C-01 C-02 C-03 C-04
}
