# SPDX-License-Identifier: GPL-2.0
# desc: conformance of the client role: timers of minutes (L-11, LT, HL-10)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 2100
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_client L-11 LT HL-10
}
