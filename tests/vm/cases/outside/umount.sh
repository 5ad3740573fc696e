# SPDX-License-Identifier: GPL-2.0
# desc: client mounts are forced off during I/O
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 4000
# boot-group: outside

. "$lib/outside.sh"

server() { outside_server; }

# The writer has files open, so the mount is busy: -l takes it out of sight, -f ends
# what waits for the server.
client() {
	local round cache t0
	outside_begin
	for ((round = 1; round <= ROUNDS; round++)); do
		cache=none
		! chance 2 || cache=strict
		say "round $round: $cache"
		share_mount /mnt/$cache cache=$cache,$mount_options
		rdma_mounted /mnt/$cache || die 'the mount does not use RDMA'
		writer_start $cache /mnt/$cache
		moment 0 600
		t0=$(now_ms)
		timeout 60 umount -f -l /mnt/$cache || die 'umount does not end'
		say "  unmounted in $(($(now_ms) - t0)) ms"
		no_cifs_mounts || die 'the mount is still there'
		writer_stop $cache
		wait_for 'the connection to go' 30 quiet || { stuck; die 'the connection stays'; }
		as_promised $cache
	done
	outside_end
}
