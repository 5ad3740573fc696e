# SPDX-License-Identifier: GPL-2.0
# desc: modules are tried to be removed during I/O, and are removed right after it
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 6000
# boot-group: outside
#
# In use they must refuse; rdma_rxe and siw do not, they take their devices with them.
# And whoever removes smbdirect while its last connections end has to wait, or is
# turned down; nothing of it may run afterwards.

. "$lib/outside.sh"

refused() {
	local m
	for m in "$@"; do
		! rmmod "$m" 2>/tmp/rmmod.err || die "rmmod $m was not refused"
		grep -q 'in use' /tmp/rmmod.err || die "rmmod $m: $(cat /tmp/rmmod.err)"
	done
}
gone() { rmmod "$1" 2>/dev/null || ! module_loaded "$1"; }

# rmmod again and again, from when the last user is about to leave
removed() {
	local m
	for m in "$@"; do
		wait_for "rmmod $m to be possible" 60 gone "$m" || die "$m is still in use"
	done
}
driver() { case $DEV in rxe) echo rdma_rxe ;; *) echo siw ;; esac; }
driver_removed() {
	# siw stops its sending threads before it removes its devices, and a queue pair that
	# is in their queue then cannot be destroyed any more: siw_exit_module. So the device
	# goes first.
	[ "$DEV" != siw ] || timeout 60 rdma link delete siw0 || die 'the link cannot be deleted'
	timeout 60 rmmod "$(driver)" || die "the driver cannot be removed"
	say "  $ROLE: the driver was removed"
	moment 0 500
	link_up "$DEV"
}
server_refuses() { refused ksmbd smbdirect; }
server_reloaded() {
	ksmbd_stop
	removed ksmbd smbdirect
	[ ! -e /sys/kernel/debug/smbdirect ] || die 'debugfs files are left'
	ksmbd_start
}

server() { outside_server; }

client() {
	local round
	UNLOADS=1
	outside_begin
	writers_begin
	for ((round = 1; round <= ROUNDS; round++)); do
		moment 0 1000
		say "round $round"
		refused cifs smbdirect
		on_server server_refuses
		case $((round % 3)) in
		0) either_side driver_removed ;;
		1) on_server server_reloaded ;;
		2)
			# all of the client's (ksmbd is loaded, too), in the middle of the end of its connections
			writers_hold 90
			kill_writers
			umount -l /mnt/none /mnt/strict
			removed cifs ksmbd smbdirect
			[ ! -e /sys/kernel/debug/smbdirect ] || die 'debugfs files are left'
			modules_load
			echo 5 >/proc/fs/cifs/smbd_keep_alive_interval
			writers_begin
			;;
		esac
		writers_go_on 90
		writers_hold 90
		as_promised none strict
		writers_release
	done
	writers_stop
	outside_end
}
# They hold the mounts open.
kill_writers() {
	local name
	for name in none strict; do
		kill "${writer_pid[$name]}"
		wait "${writer_pid[$name]}" || true
	done
	writer_pid=()
}
