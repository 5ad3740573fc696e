# SPDX-License-Identifier: GPL-2.0
# desc: RDMA reads that siw completes twice when a connection ends: what waits for them is still there the second time
# modules: rust c
# control: c
# deadline: 300
# memory: 1280
# files: build/peer/smbd-peer tests/peer/guest.sh build/lab/twice/twice.ko
#
# A queue pair that goes to the error state before siw's thread has sent a read flushes it
# twice (tests/twice). The peer ends connections in the middle of WRITEs.

. "$lib/count.sh"

twice() { cat "/sys/module/twice/parameters/$1"; }

run() {
	local round DEV=siw
	. "$MODULES/guest.sh"
	peer_server 'smb2 max write = 65536'
	module_load twice
	for ((round = 1; round <= 20 && $(twice twice) < 3; round++)); do
		"$MODULES/smbd-peer" run --server "$ADDR" HS-06 || die 'see above'
	done
	say "reads flushed: $(twice reads), twice: $(twice twice), in $((round - 1)) rounds"
	at_least 'reads that were flushed twice' "$(twice twice)" 3
	rmmod twice
	ip link delete eth8
}
