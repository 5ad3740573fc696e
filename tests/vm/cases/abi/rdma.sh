# SPDX-License-Identifier: GPL-2.0
# desc: ABI: RDMA read and write by the server, 1 to 4095 descriptors; what a read shows to the peer
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 900
# boot-group: abi-b
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

run() {
	. "$MODULES/guest.sh"
	link_up "$DEV"
	abi_run 'xmit_*,sink_*'
}
