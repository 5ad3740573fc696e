# SPDX-License-Identifier: GPL-2.0
# desc: ABI: calls against the contract get an errno
# modules: rust c
# control: c
# param: DEV = rxe
# deadline: 900
# allow: WARNING: .*(smbdirect|socket\.c|connection\.c|mr\.c) -- the contract asks for a warning
# allow: Call Trace -- belongs to that warning
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

run() {
	. "$MODULES/guest.sh"
	link_up "$DEV"
	abi_run 'state_*,mr_too_long,xmit_no_descriptors' misuse=1
}
