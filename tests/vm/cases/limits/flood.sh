# SPDX-License-Identifier: GPL-2.0
# desc: 1,000 half-open connections of three kinds from eight addresses while an honest client mounts and works
# param: DEV = rxe siw
# deadline: 600
# icount: awake
# files: build/lab/hold/smbdirect_hold.ko
#
# Over rxe, a third each: a connect request whose reply is not answered; a whole handshake, and
# then nothing; a negotiate request that comes byte by byte, each a message, of which the first
# has to end the connection.
# Over iWARP the handshake has two messages, after TCP's. There it is half each of a whole handshake
# and then nothing, and of bytes as messages; and 512 more, half each of TCP alone (which siw has to
# end), and of a negotiate request that comes byte by byte in TCP, no message until all are there.
#
# The time of this guest is the number of instructions that it has executed, so that "within two
# seconds" means the same whatever else the host does, but for what comes from the host's disk: a
# processor of 10^9 a second, which does the work of the attackers, too. The server gives each connection its 5 seconds (more in a slow
# kernel). Nothing is given back by who makes them before all is over.

. "$lib/count.sh"
. "$lib/counters.sh"
. "$lib/memory.sh"

FLOOD=1000
# besides, over iWARP: connections by TCP
BY_TCP=512
# `max_half_open` and those of one source; one more may come in before another is out. With those
# that are being torn down
ALL=129 EACH=33 CHILDREN=256
# of the module, in bytes, for each of these
EACH_BYTES=8192
# of the kernel for each of them, in KiB: a socket, its QP and what the connection manager has
KERNEL_KIB=400
TIMEOUT=$((5000 * PATIENCE)) SLACK=$((1500 * PATIENCE))

T=/sys/kernel/tracing

flood_goes_on() { kill -0 "$flood" 2>/dev/null; }
some_half_open() { [ "$(half_open)" -ge "$1" ]; }

# timed_mount DIR : over a connection of its own; prints how long it took, in ms
timed_mount() {
	local t0
	t0=$(now_ms)
	share_mount "$1" nosharesock || die "mounting $1 failed"
	echo $(($(now_ms) - t0))
}

# weigh : keeps the most memory that half-open connections have had, in all and, on average, each
most=0 most_each=0
weigh() {
	local n bytes
	read -r n bytes <<<"$(awk '$1 == "half_open_sockets" { n = $2 } $1 == "half_open_memory_bytes" { b = $2 }
		END { print n + 0, b + 0 }' /sys/kernel/debug/smbdirect/stats)"
	[ "$bytes" -le "$most" ] || most=$bytes
	[ "$n" = 0 ] || [ $((bytes / n)) -le "$most_each" ] || most_each=$((bytes / n))
}

# record, recorded : every arrival and every end, by the module's tracepoints; what they come to
# is in /tmp/record then
record() {
	local event
	mountpoint -q $T || mount -t tracefs none $T
	echo 16384 >$T/buffer_size_kb
	echo mono >$T/trace_clock
	echo >$T/trace
	for event in arrival negotiated fail closed; do
		echo "$1" >$T/events/smbdirect/smbd_$event/enable
	done
}
recorded() {
	! grep -hE '^(overrun|commit overrun|dropped events):' $T/per_cpu/cpu*/stats | grep -v ': 0$' ||
		die 'the recording has gaps'
	awk -f "$lib/half-open.awk" $T/trace >/tmp/record
}

# ended CAUSE : how many half-open ones ended for that
ended() { awk -v n="ended_$1" '$1 == n { v = $2 } END { print v + 0 }' /tmp/record; }

# mpa KIND NAME : what came of the connections of that kind that were made by TCP
mpa() { awk -v k="$1" -v n="$2" '$1 == k { for (i = 1; i < NF; i++) if ($i == n) print $(i + 1) }' /tmp/mpa; }
# by_tcp KIND : all of them were ended by the server in their time
by_tcp() {
	expect "$1 ones" "$(mpa "$1" "$1")" $((BY_TCP / 2))
	at_most "ms until the last of them was ended" "$(mpa "$1" longest_ms)" $((TIMEOUT + SLACK))
}
mpa_all_made() { grep -q '^all are made' /tmp/mpa; }

run() {
	local family=0 port=445 sources='' others='' i quiet=0 busy=0 ms before changes ended by_hand='' half drip ask refused
	[ "$DEV" = rxe ] || { family=1 port=5445; }
	modules_load
	link_up "$DEV"
	for i in 11 12 13 14 15 16 17 18; do
		ip addr add 10.9.0.$i/24 dev "$NETDEV"
		sources+="${sources:+,}10.9.0.$i"
		# for TCP: siw's connection manager and TCP do not know of each other's ports
		ip addr add 10.9.0.1$i/24 dev "$NETDEV"
		others+="${others:+,}10.9.0.1$i"
	done
	negotiate_patiently
	ksmbd_start
	share_mount /mnt/first
	umount /mnt/first
	for i in 1 2 3; do
		ms=$(timed_mount /mnt/quiet)
		[ "$ms" -le "$quiet" ] || quiet=$ms
		umount /mnt/quiet
	done
	hold_load addr="$ADDR" port=$port iwarp=$family sources="$sources"
	before=$(counters_now)
	record 1

	if [ "$DEV" = siw ]; then
		python3 "$lib/mpa.py" "$ADDR" $port "$others" $BY_TCP $(((TIMEOUT + 10 * SLACK) / 1000)) >/tmp/mpa &
		by_hand=$!
		wait_for 'the flood by TCP to begin' 60 grep -q 'is answered' /tmp/mpa
	fi
	hold flood $FLOOD &
	flood=$!
	wait_for 'the flood to rise' 60 some_half_open $((ALL - 9))
	for i in 1 2 3; do
		weigh
		ms=$(timed_mount /mnt/busy$i)
		[ "$ms" -le "$busy" ] || busy=$ms
		rdma_mounted /mnt/busy$i || die 'the mount does not use RDMA'
	done
	flood_goes_on || die 'the flood was over before the mounts were'
	say "the longest of three mounts: $busy ms during the flood, $quiet ms before it"
	at_most 'time to mount, ms' "$busy" $((2000 * PATIENCE))
	random_file /tmp/file 3000000
	cp /tmp/file /mnt/busy1/file
	cmp /tmp/file "$SHARE_DIR/file" || die 'the file differs'
	while flood_goes_on; do
		weigh
		cp /tmp/file /mnt/busy1/file
		sleep 0.2
	done
	wait "$flood" || die 'the flood broke off'
	[ -z "$by_hand" ] || wait_for 'the flood by TCP to be complete' 120 mpa_all_made
	wait_for 'half-open connections to be ended by the server' 60 half_are 0
	recorded
	record 0
	cmp /tmp/file "$SHARE_DIR/file" || die 'the file differs after the flood'
	cat /tmp/record
	expect 'mounts' "$(of /tmp/record negotiated)" $((by_hand ? 4 : 3))
	expect 'half-open connections that were not ended' "$(of /tmp/record left)" 0
	at_least 'half-open connections at once' "$(of /tmp/record at_once)" $((ALL - 1))
	at_most 'half-open connections at once' "$(of /tmp/record at_once)" $ALL
	at_most 'half-open connections of one source' "$(of /tmp/record at_once_of_one)" $EACH
	at_most 'with those being torn down' "$(of /tmp/record children)" $CHILDREN
	at_most 'ms until the last was ended' "$(of /tmp/record longest_ms)" $((TIMEOUT + SLACK))
	at_most 'ms until it was torn down' "$(of /tmp/record teardown_ms)" $((20000 * PATIENCE))
	at_most 'bytes of memory of all half-open connections' "$most" $((CHILDREN * EACH_BYTES))
	at_most 'bytes of memory of each' "$most_each" $EACH_BYTES

	half=$(hold_field half) drip=$(hold_field drip) ask=$(hold_field ask) refused=$(hold_field refused)
	say "whole handshakes $half, first bytes $drip, requests $ask, refused $refused"
	expect 'connections that were tried' $((half + drip + ask + refused)) $FLOOD
	if [ -n "$by_hand" ]; then
		wait "$by_hand" || die 'the flood by TCP went wrong'
		cat /tmp/mpa
		by_tcp silent
		by_tcp trickle
		# (the others were dropped for newcomers in their first second)
		at_least 'of them with some bytes of a message' "$(mpa trickle dripped)" 16
	fi
	changes=$(counted "$before")
	# each was ended by the clock, for a newcomer, or for its first byte, if that was not too late
	ended=$(($(ended crowded) + $(ended handshake_timeout) + $(ended protocol)))
	expect 'half-open connections that were ended for one of three reasons' "$ended" \
		$(($(of /tmp/record arrived) - $(of /tmp/record negotiated)))
	# one that is being ended for another reason may be counted, too
	at_least 'first bytes that broke a rule' "$(by request_too_short "$changes")" "$(ended protocol)"
	at_most 'first bytes that broke a rule' "$(by request_too_short "$changes")" "$drip"
	at_least 'of them' "$(ended protocol)" $((drip * 9 / 10))
	hold drop bare
	kernel_part
	umount /mnt/busy{1,2,3}
}

# What all of the kernel has at the server's side for as many as are let in: the difference
# between those and none, the attackers' side being there both times.
kernel_part() {
	local with without n
	configfs_mount
	echo $((20 * PATIENCE)) >/sys/kernel/config/smbdirect/negotiate_timeout
	hold half 64
	[ "$DEV" = rxe ] && hold ask 64 || hold half 64
	n=$(half_open)
	with=$(kernel_memory)
	at_least 'half-open connections' "$n" $((ALL - 9))
	expect 'half-open connections when memory was measured' "$(half_open)" "$n"
	wait_for 'them to be ended' 120 half_are 0
	without=$(kernel_memory)
	say "$n half-open: $with"
	say "none: $without"
	within 'what the kernel has for each' "$(kib total "$without" "$with" "$n")" $KERNEL_KIB
	hold drop bare
}
