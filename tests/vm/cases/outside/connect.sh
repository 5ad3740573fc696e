# SPDX-License-Identifier: GPL-2.0
# desc: a device is removed while a connection is being made, on either side
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 4000
# boot-group: outside-connect
# files: build/lab/guard/smbdirect_guard.ko
#
# A fault of cifs that ends the guest, whichever module it uses, is kept off and
# counted (tests/guard). It is shown by
#   scripts/vm run --smbdirect c/c --param DEV=rxe --param ROUNDS=100 --param GUARD=no \
#       tests/vm/cases/outside/connect.sh

. "$lib/outside.sh"

link_lost() {
	timeout 60 rdma link delete "${DEV}0" || die 'the link cannot be deleted'
	[ ! -e "/sys/class/infiniband/${DEV}0" ] || die 'the device is still there'
}

mounting() { kill -0 "$mount_pid" 2>/dev/null; }
mount_ended() { ! mounting; }

server() { outside_server; }

client() {
	local round mounted=0 t0
	outside_begin
	[ "${GUARD:-yes}" = no ] || module_load smbdirect_guard
	share_mount /mnt/none cache=none,$mount_options
	writer_start none /mnt/none 10
	writer_stop none
	umount /mnt/none
	for ((round = 1; round <= ROUNDS; round++)); do
		say "round $round"
		mkdir -p /mnt/early
		share_mount /mnt/early cache=none,nosharesock,$mount_options >/tmp/mount.said 2>&1 &
		mount_pid=$!
		# mount.cifs needs some time before it begins; a mount takes half a second
		moment 0 900
		if chance 2; then
			say "  server, $(mounting && echo before || echo after) the mount's end"
			on_server link_lost
			side=on_server
		else
			say "  client, $(mounting && echo before || echo after) the mount's end"
			link_lost
			side=''
		fi
		t0=$(now_ms)
		wait_for 'mount to come to an end' 90 mount_ended || { stuck; die 'mount hangs'; }
		if wait "$mount_pid"; then
			mounted=$((mounted + 1))
		else
			sed 's/^/  /' /tmp/mount.said
		fi
		$side link_up "$DEV"
		say "  mount ended $(($(now_ms) - t0)) ms after the link"
		umount -l /mnt/early 2>/dev/null || true
		as_promised none
	done
	say "$mounted of $ROUNDS mounts were made"
	if [ -d /sys/module/smbdirect_guard ]; then
		say "cifs asked a connection that was not there $(cat /sys/module/smbdirect_guard/parameters/hits) times"
		rmmod smbdirect_guard
	fi
	outside_end
}
