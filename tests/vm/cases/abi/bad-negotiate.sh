# SPDX-License-Identifier: GPL-2.0
# desc: ABI: malformed, missing and flooding negotiation, both roles
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 900
# boot-group: abi-b
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

run() {
	. "$MODULES/guest.sh"
	link_up "$DEV"
	abi_run 'badnego_*,badserver_*,okserver_*' skip='*_write_with_immediate'
}
