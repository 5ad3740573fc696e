# SPDX-License-Identifier: GPL-2.0
# desc: ABI: the lives of a connection that the fault sweep uses, without faults
# modules: rust
# param: DEV = rxe siw
# deadline: 300
# boot-group: abi-b
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

run() {
	. "$MODULES/guest.sh"
	link_up "$DEV"
	abi_run 'fault_*'
	# there are none, so no step may end with an error
	! grep '^ok [a-z_]*:' "$OUT/results" || die 'an error without a fault'
}
