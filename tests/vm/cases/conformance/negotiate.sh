# SPDX-License-Identifier: GPL-2.0
# desc: conformance: negotiation, and its timer of five seconds (N, T-01, T-02)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 300
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_server
	peer_run N T-01 T-02
}
