# SPDX-License-Identifier: GPL-2.0
# desc: ABI: listening without a device, devices that come and go under connections
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 900
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

run() {
	. "$MODULES/guest.sh"
	net_up
	module_load rdma_cm
	if [ "$DEV" = rxe ]; then module_load rdma_rxe; else module_load siw; fi
	abi_run 'nodev_listen'
	link_up "$DEV"
	printf '#!/bin/sh\nexec rdma link add %s0 type %s netdev %s\n' "$DEV" "$DEV" "$NETDEV" >/tmp/add
	printf '#!/bin/sh\nexec rdma link delete %s0\n' "$DEV" >/tmp/del
	chmod +x /tmp/add /tmp/del
	abi_run 'hotplug_*' hook_add=/tmp/add hook_del=/tmp/del
}
