# SPDX-License-Identifier: GPL-2.0
# desc: ABI: one credit each way; fails with our module: two fragments stall until the keepalive ends it
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 900
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

run() {
	. "$MODULES/guest.sh"
	link_up "$DEV"
	abi_run nego_credits_1
}
