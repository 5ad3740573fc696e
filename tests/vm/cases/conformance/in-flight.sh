# SPDX-License-Identifier: GPL-2.0
# desc: conformance: descriptor lists of all shapes, right and wrong, READs and WRITEs, 8 and 64 in flight (HD-13, HD-14)
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 3600
# memory: 2560
# files: build/peer/smbd-peer tests/peer/guest.sh
#
# 64 requests of 8 MiB are 512 MiB in the server's buffers, and all the SMB2 credits
# that ksmbd gives (8192). The C module refuses the first list with empty descriptors; one
# that takes those would leave requests waiting, so a case is given up after five minutes.

run() {
	. "$MODULES/guest.sh"
	peer_server 'smb2 max read = 8388608' 'smb2 max write = 8388608' 'smb2 max credits = 8192'
	local limits=()
	[ "$(smbdirect_kind)" != c ] || limits=(--jobs 2 --limit 300)
	peer_run "${limits[@]}" HD-13 HD-14
}
