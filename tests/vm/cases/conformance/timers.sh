# SPDX-License-Identifier: GPL-2.0
# desc: conformance: timers of minutes, all at the same time (T-03 to T-05, C-05)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 600
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_server
	peer_run T-03 T-04 T-05 C-05
}
