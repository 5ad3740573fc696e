# SPDX-License-Identifier: GPL-2.0
# Faults that come from outside, round after round, at random moments of I/O. Two
# guests; the client leads. After each round: I/O goes on, everything that was fsynced
# is in the server's file system and seen by a new mount, no task hangs.

. "$lib/count.sh"
. "$lib/durable.sh"
. "$lib/remote.sh"
. "$lib/power.sh"

# chance N : is it one of N? between LOW HIGH : sets $drawn
chance() { [ $((RANDOM % $1)) = 0 ]; }
between() { drawn=$(($1 + RANDOM % ($2 - $1 + 1))); }
# moment LOW HIGH : so many milliseconds pass.
moment() {
	between "$1" "$2"
	sleep "$((drawn / 1000)).$(printf %03d $((drawn % 1000)))"
}

# Either side, by chance: COMMAND has to be a function that both have.
either_side() {
	if chance 2; then
		say "  server: $*"
		on_server "$@"
	else
		say "  client: $*"
		"$@"
	fi
}

# With rxe a datagram that cannot be sent, since the interface is down, ends QP 1 for
# good, and with it the making of connections, whoever uses the device. The remedy is
# a new device.
qp1_mend() {
	rdma resource show qp | grep -q 'type GSI state ERR' || return 0
	say "  $ROLE: QP 1 of ${DEV}0 is in the error state: the link is made again"
	timeout 60 rdma link delete "${DEV}0" || die 'the link cannot be deleted'
	link_up "$DEV"
}

# ---- the server's half: outside_server, and what the client calls there
outside_server() {
	module_load smbdirect
	link_up "$DEV"
	ksmbd_start
	[ -n "$AGAIN" ] || rm -rf "${SHARE_DIR:?}"/*
	tell up
	serve 100000
}
# nothing but what is there with nobody connected
base_take() {
	wait_for 'all connections to be gone' 60 quiet || { rdma resource show; die 'resources are left'; }
	base=$(settled)
	base_bytes=$(counter memory_bytes)
}
base_again() {
	local was=$base bytes=$base_bytes item
	base_take
	show_growth "$was" "$base"
	for item in cm_id qp cq pd mr; do
		expect "$ROLE: number of $item" "$(value "$item" "$base")" "$(value "$item" "$was")"
	done
	if [ "$SMBDIRECT" = rust ]; then
		regions_lost
		expect "$ROLE: the module's own memory" "$((base_bytes - 512 * lost - 2048 * pinned))" "$bytes"
		expect "$ROLE: connections" "$(grep -c 'role \(Server\|Client\)' /sys/kernel/debug/smbdirect/connections || true)" 0
	fi
	slab_at_most "$ROLE" "$was" "$base" $((2048 + 10 * $1))
	at_most "$ROLE: growth of vmalloc (KiB)" "$(growth vmalloc "$was" "$base")" $((512 + 4 * $1))
	no_task_hangs
}
# A region whose handle cifs has lost stays, with 512 bytes, and so does its socket, with
# 2,048; nobody can give them back: smb2_async_writev registers a WRITE's memory before it
# finds that it cannot send, and cifs_free_subrequest gives back those of reads only. So
# they are counted: what was registered and not given back. Several may be of one socket.
# Not in a case that unloads the modules (UNLOADS=1), with which the counters go.
regions_watch() {
	[ "$SMBDIRECT" = rust ] || return 0
	echo 'p:lab/given_back cifs:smbd_deregister_mr' >/sys/kernel/tracing/kprobe_events
	echo 1 >/sys/kernel/tracing/events/lab/given_back/enable
	watched=$(counter fast_registrations)
}
# regions_lost : in base_again, whose `bytes` were there before; sets $lost, $pinned
regions_lost() {
	lost=0 pinned=0
	[ -n "${watched:-}" ] || return 0
	lost=$(awk '$1 == "given_back" { print $2 }' /sys/kernel/tracing/kprobe_profile)
	lost=$(($(counter fast_registrations) - watched - lost))
	echo 0 >/sys/kernel/tracing/events/lab/given_back/enable
	: >/sys/kernel/tracing/kprobe_events
	watched=''
	pinned=$(((base_bytes - bytes - 512 * lost) / 2048))
	[ "$pinned" -le "$lost" ] || pinned=$lost
	[ "$lost" = 0 ] || say "$ROLE: cifs has lost $lost regions of $pinned sockets"
}
quiet() {
	[ "$(rdma resource show qp 2>/dev/null | grep -c 'type RC')" = 0 ] && [ "$(counter connections_active)" = 0 ]
}

# ---- the client's half
outside_begin() {
	SEED=${SEED:-$((EPOCHSECONDS % 32768))}
	RANDOM=$SEED
	say "seed $SEED; $ROUNDS rounds; the same again: --param SEED=$SEED"
	modules_load
	# a connection that is dead without a word is found so after this and 5 s
	echo 5 >/proc/fs/cifs/smbd_keep_alive_interval
	link_up "$DEV"
	hear up 200 >/dev/null
	# once, for the memory that stays after the first time
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/in 300000
	cp /tmp/in /mnt/file
	umount /mnt
	server_begins base_take
	base_take
	server_ends
	[ -n "${UNLOADS:-}" ] || regions_watch
}
mount_options=echo_interval=5
writers_begin() {
	local cache
	for cache in none strict; do
		share_mount /mnt/$cache cache=$cache,$mount_options
		rdma_mounted /mnt/$cache || die 'the mount does not use RDMA'
		writer_start $cache /mnt/$cache
	done
}
# what is there with the writers at rest
as_promised() {
	server_begins as_fsynced "$SHARE_DIR" "$@"
	as_fsynced_anew /mnt/new $mount_options "$@"
	server_ends
}
# rounds FAULT : the function does something and undoes it.
rounds() {
	local round t0
	for ((round = 1; round <= ROUNDS; round++)); do
		moment 0 1500
		say "round $round"
		t0=$(now_ms)
		"$1"
		writers_go_on "${RECOVERY:-90}"
		writers_hold 90
		say "  goes on after $(($(now_ms) - t0)) ms: $(cat "$(record none).state")"
		as_promised none strict
		writers_release
	done
}
outside_end() {
	umount_all
	server_begins base_again "$ROUNDS"
	base_again "$ROUNDS"
	server_ends
	say "all $ROUNDS rounds with seed $SEED"
	dismiss
}
# outside FAULT : all of it, on the client.
outside() {
	outside_begin
	writers_begin
	rounds "$1"
	writers_stop
	outside_end
}
