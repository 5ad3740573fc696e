# SPDX-License-Identifier: GPL-2.0
# desc: conformance: descriptor lists of all shapes, misused credits, odd streams (HD, HC, HS)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 2400
# files: build/peer/smbd-peer tests/peer/guest.sh
#
# The C module does not answer much of this, and every case waits for it in vain for two
# minutes or more: for comparison several run at a time, and none for longer than HS-02 waits.

run() {
	. "$MODULES/guest.sh"
	peer_server 'smb2 max read = 8388608' 'smb2 max write = 8388608'
	local limits=()
	[ "$(smbdirect_kind)" != c ] || limits=(--jobs 4 --limit 320)
	peer_run "${limits[@]}" "HD-0?" HD-10 HD-11 HD-12 HC HS
}
