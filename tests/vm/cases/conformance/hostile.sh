# SPDX-License-Identifier: GPL-2.0
# desc: conformance: descriptor lists of all shapes, misused credits, odd streams (HD, HC, HS)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 1500
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_server 'smb2 max read = 8388608' 'smb2 max write = 8388608'
	peer_run HD HC HS
}
