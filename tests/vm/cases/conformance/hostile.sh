# SPDX-License-Identifier: GPL-2.0
# desc: conformance: descriptor lists of all shapes, misused credits, odd streams (HD, HC, HS)
# param: DEV = rxe siw
# deadline: 1500
# boot-group: conformance
# files: build/peer/smbd-peer tests/peer/guest.sh
#
# Not with the C module: it does not answer most of this, and every case waits for it
# in vain for two minutes. `scripts/vm run --smbdirect c` does run it.

run() {
	. "$MODULES/guest.sh"
	peer_server 'smb2 max read = 8388608' 'smb2 max write = 8388608'
	peer_run "HD-0?" HD-10 HD-11 HD-12 HC HS
}
