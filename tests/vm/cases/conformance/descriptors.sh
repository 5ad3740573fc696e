# SPDX-License-Identifier: GPL-2.0
# desc: conformance: READ and WRITE with 1 to 31 descriptors, each answered within 30 s (HD-15)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 600
# files: build/peer/smbd-peer tests/peer/guest.sh
#
# What of the descriptor lists the C module can be compared by: over siw it does not
# answer those of ten and more. All shapes are in `hostile`.

run() {
	. "$MODULES/guest.sh"
	peer_server
	peer_run HD-15
}
