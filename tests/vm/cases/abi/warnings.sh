# SPDX-License-Identifier: GPL-2.0
# desc: ABI: what makes the C module print a WARNING must not make ours
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 900
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

run() {
	. "$MODULES/guest.sh"
	link_up "$DEV"
	abi_run 'race_listener_release,*_write_with_immediate'
}
