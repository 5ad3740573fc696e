# SPDX-License-Identifier: GPL-2.0
# desc: conformance of the client role: negotiation, messages, keepalive (L, LX)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 1500
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_client 'L-0*' L-10 L-12 L-13 L-14 L-15 L-17 L-18 LX
}
