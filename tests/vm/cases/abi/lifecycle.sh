# SPDX-License-Identifier: GPL-2.0
# desc: ABI: states, life cycle, negotiated parameters
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 900
# boot-group: abi-a
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

run() {
	. "$MODULES/guest.sh"
	link_up "$DEV"
	abi_run 'state_*,life_*,nego_*'
}
