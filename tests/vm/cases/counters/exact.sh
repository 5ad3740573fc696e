# SPDX-License-Identifier: GPL-2.0
# desc: known messages, reads and writes give exactly the counts that they must
# param: DEV = rxe siw
# deadline: 240
# files: build/lab/hold/smbdirect_hold.ko

. "$lib/count.sh"
. "$lib/memory.sh"
. "$lib/counters.sh"

CONNECTIONS=3 MESSAGES=20 LONGEST=5000

shown() { [ "$(ls $SMBD/connections | wc -l)" = "$1" ]; }

# equal CHANGES NAME OTHER : two counters of one moment
equal() { expect "$2, like $3" "$(by "$2" "$1")" "$(by "$3" "$1")"; }

messages() {
	local before first changes capacity one name bytes fragments
	hold_load addr="$ADDR" iwarp="$1" longest=$LONGEST
	hold listen
	before=$(counters_now)
	first=$before
	hold connect $CONNECTIONS
	wait_for 'the connections to be accepted' 20 held servers $CONNECTIONS
	wait_for 'the connections to be shown' 20 shown $((2 * CONNECTIONS))
	hold echo $MESSAGES &
	hold talk $MESSAGES
	wait
	changes=$(counted "$before")
	echo "$changes"
	expect 'connections initiated' "$(by connections_initiated "$changes")" $CONNECTIONS
	expect 'connections accepted' "$(by connections_accepted "$changes")" $CONNECTIONS
	expect 'connections active' "$(by connections_active "$changes")" $((2 * CONNECTIONS))
	expect 'connections failed' "$(by connections_failed "$changes")" 0

	# every message goes out and comes back; see compose() in tests/hold/hold.c
	one=$(ls -d $SMBD/connections/* | head -n 1)
	capacity=$(($(of "$one/info" max_send_size) - 24))
	read -r bytes fragments <<-SUM
		$(awk -v n=$CONNECTIONS -v m=$MESSAGES -v most=$LONGEST -v room=$capacity 'BEGIN {
			for (i = 0; i < n; i++)
				for (j = 0; j < m; j++) {
					len = most - (j * 7919 + i) % most
					bytes += 2 * len
					fragments += 2 * int((len + room - 1) / room)
				}
			print bytes, fragments
		}')
	SUM
	expect 'bytes sent inline' "$(by inline_sent_bytes "$changes")" "$bytes"
	expect 'bytes received inline' "$(by inline_received_bytes "$changes")" "$bytes"
	expect 'messages with payload sent' \
		$(($(by messages_sent "$changes") - $(by empty_sent "$changes"))) "$fragments"
	expect 'messages with payload received' \
		$(($(by messages_received "$changes") - $(by empty_received "$changes"))) "$fragments"
	equal "$changes" recv_buffers_taken recv_buffers_returned
	expect 'buffers of messages' "$(by recv_buffers_taken "$changes")" "$fragments"

	# the sums are those of the connections, and those of the device
	for name in inline_sent_bytes inline_received_bytes recv_buffers_taken; do
		expect "$name over the connections" \
			"$(summed $name $SMBD/connections/*/stats)" "$(by $name "$changes")"
		# the device is new, the module may not be
		expect "$name of the device" "$(of "$SMBD/devices/${DEV}0/stats" $name)" "$(by $name "$changes")"
	done
	expect 'servers that are shown' "$(cat $SMBD/connections/*/info | grep -c '^role server')" $CONNECTIONS
	expect 'on the device' "$(cat $SMBD/connections/*/info | grep -c "^device ${DEV}0$")" $((2 * CONNECTIONS))

	before=$(counters_now)
	hold drop clients
	wait_for 'the connections to end' 30 no_connections
	expect 'connections that still have a handle' "$(ls $SMBD/connections | wc -l)" $CONNECTIONS
	expect 'cause of the end, on the server' \
		"$(cat $SMBD/connections/*/info | sed -n 's/^end_cause //p' | sort -u)" peer
	hold drop servers
	hold drop listener
	wait_for 'all handles to go' 20 shown 0
	changes=$(counted "$before")
	expect 'ended by their owner' "$(by ended_local "$changes")" $CONNECTIONS
	expect 'ended by the peer' "$(by ended_peer "$changes")" $CONNECTIONS
	expect 'connections broken' "$(by connections_broken "$changes")" 0
	expect 'protocol errors' "$(by protocol_errors "$changes")" 0
	# what was sent last has arrived, and nothing is counted twice when connections end
	expect 'connections active' "$(total connections_active)" 0
	expect 'bytes sent inline, after all has ended' "$(by inline_sent_bytes "$(counted "$first")")" "$bytes"
	rmmod smbdirect_hold
	trap - EXIT
}

# N writes and reads of SIZE bytes each
N=24 SIZE=65536
transfers() {
	local before changes reads
	ksmbd_start
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/in $((N * SIZE))
	: >/mnt/file
	before=$(counters_now)
	dd if=/tmp/in of=/mnt/file bs=$SIZE count=$N oflag=direct conv=notrunc status=none
	changes=$(counted "$before")
	# ksmbd reads what a client writes
	expect 'RDMA reads' "$(by rdma_reads "$changes")" $N
	expect 'bytes read' "$(by rdma_read_bytes "$changes")" $((N * SIZE))
	expect 'RDMA writes' "$(by rdma_writes "$changes")" 0
	expect 'bytes registered' "$(by registered_bytes "$changes")" $((N * SIZE))
	# an iWARP read needs a region of its own on the server
	[ "$DEV" = rxe ] && reads=0 || reads=$N
	expect 'fast registrations' "$(by fast_registrations "$changes")" $((N + reads))
	expect 'registrations that were invalidated' \
		$(($(by remote_invalidations "$changes") + $(by local_invalidations "$changes"))) $N
	equal "$changes" remote_invalidations invalidations_sent
	cmp /tmp/in "$SHARE_DIR/file"

	before=$(counters_now)
	dd if=/mnt/file of=/tmp/out bs=$SIZE count=$N iflag=direct status=none
	changes=$(counted "$before")
	cmp /tmp/in /tmp/out
	expect 'RDMA writes' "$(by rdma_writes "$changes")" $N
	expect 'bytes written' "$(by rdma_write_bytes "$changes")" $((N * SIZE))
	expect 'RDMA reads' "$(by rdma_reads "$changes")" 0
	expect 'fast registrations' "$(by fast_registrations "$changes")" $N
	expect 'bytes registered' "$(by registered_bytes "$changes")" $((N * SIZE))
	expect 'RDMA failures' "$(by rdma_failures "$changes")" 0
	umount /mnt
	ksmbd_stop

	# nobody listens any more
	before=$(counters_now)
	expect_fail 'a mount without a server' share_mount /mnt 2>/dev/null
	changes=$(counted "$before")
	echo "$changes"
	at_least 'failed connections' "$(by connections_failed "$changes")" 1
	expect 'connections' "$(by connections_initiated "$changes")" 0
	expect 'causes that were counted' "$(echo "$changes" |
		awk '$1 ~ /^failed_/ { n += $2 } END { print n + 0 }')" "$(by connections_failed "$changes")"
}

run() {
	local family=0
	[ "$DEV" = rxe ] || family=1
	module_load smbdirect
	link_up "$DEV"
	expect 'format' "$(cat $SMBD/format)" 1
	expect 'family' "$(cat "$SMBD/devices/${DEV}0/family")" "$([ "$DEV" = rxe ] && echo ib || echo iwarp)"
	messages $family
	modules_load
	transfers
	link_down "${DEV}0"
	[ ! -e "$SMBD/devices/${DEV}0" ] || die 'the device is still shown'
	# the sums stay
	at_least 'bytes read, without the device' "$(total rdma_read_bytes)" $((N * SIZE))
	umount_all
	rmmod cifs ksmbd smbdirect
	[ ! -e $SMBD ] || die 'files are left'
}
