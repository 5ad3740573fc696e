# SPDX-License-Identifier: GPL-2.0
# desc: conformance of the client role: hostile servers (HL)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 1500
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh
#
# Not HL-22: it makes cifs of this kernel crash, whatever the transport is
# (Documentation/security.md).

run() {
	. "$MODULES/guest.sh"
	peer_client 'HL-0*' HL-11 HL-12 HL-13 HL-14 HL-15 HL-16 HL-17 HL-18 HL-19 HL-20 HL-21 HL-23 HL-24
}
