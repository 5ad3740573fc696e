# SPDX-License-Identifier: GPL-2.0
# desc: conformance: descriptor lists of all shapes, right and wrong, READs and WRITEs, 8 and 64 in flight (HD-13, HD-14)
# param: DEV = rxe siw
# deadline: 1800
# memory: 1280
# files: build/peer/smbd-peer tests/peer/guest.sh

run() {
	. "$MODULES/guest.sh"
	peer_server 'smb2 max read = 8388608' 'smb2 max write = 8388608' 'smb2 max credits = 65535'
	peer_run HD-13 HD-14
}
