# SPDX-License-Identifier: GPL-2.0
# desc: connections that have negotiated and that nobody accepts end after 30 s, and so does who takes their place
# modules: rust
# param: DEV = rxe siw
# deadline: 180
# files: build/lab/hold/smbdirect_hold.ko
#
# The listener has two places, and never calls accept. Three clients negotiate: two are ready,
# the third waits for a place, which it gets when they are dropped, and is dropped in its turn.

. "$lib/count.sh"
. "$lib/counters.sh"
. "$lib/memory.sh"

PLACES=2
READY_MS=30000
# a look at the clock every half a second, and what a busy machine needs
SLACK_MS=$((5000 * PATIENCE))

dropped() { of $SMBD/failures failed_backlog_timeout; }
dropped_are() { [ "$(dropped)" = "$1" ]; }
memory_is() { [ "$(counter memory_bytes)" = "$1" ]; }
# ready : connections that could be accepted, and what "ready" of the listener says
ready() { awk '$1 == "ready" { n += $2 } END { print n + 0 }' /sys/kernel/debug/smbdirect/connections; }
ready_are() { [ "$(ready)" = "$1" ]; }

# call N : a client; when it was over and how it ended are in /tmp/call.N
call() {
	local rc=0
	echo 'connect mute 1' >"$hold_command" 2>/dev/null || rc=$?
	echo "$(now_ms) $rc" >"/tmp/call.$1"
}

# ended N SINCE LEAST : client N was dropped LEAST ms after SINCE, and not later than it takes to see that
ended() {
	local at rc
	read -r at rc <"/tmp/call.$1"
	[ "$rc" != 0 ] || die "client $1 was answered"
	at_least "ms until client $1 was dropped" $((at - $2)) "$3"
	at_most "ms until client $1 was dropped" $((at - $2)) $(($3 + SLACK_MS))
}

run() {
	local family=0 base t0 n early
	[ "$DEV" = rxe ] || family=1
	module_load smbdirect
	link_up "$DEV"
	hold_load addr="$ADDR" iwarp=$family backlog=$PLACES
	hold mute
	hold_once
	base=$(counter memory_bytes)

	t0=$(now_ms)
	call 1 & call 2 &
	wait_for 'two connections to be ready' 10 ready_are $PLACES
	call 3 &
	wait_for 'three connections' 10 half_are 3
	expect 'connections that are ready' "$(ready)" $PLACES
	say "$(counter half_open_memory_bytes) bytes for three, two of them ready"
	# nothing happens for as long as they may wait
	sleep $(((READY_MS - 2000 - ($(now_ms) - t0)) / 1000))
	n=$(half_open) early=$(dropped)
	# (a machine that stood still until the time was up has shown nothing)
	if [ $(($(now_ms) - t0)) -lt $READY_MS ]; then
		expect 'connections before the time is up' "$n" 3
		expect 'dropped' "$early" 0
	fi
	wait_for 'the two to be dropped' 20 dropped_are $PLACES
	# others are served by another listener meanwhile
	wait_for 'the third to take a place' 10 ready_are 1
	hold connect 1
	wait_for 'another listener to be served' 10 held servers 1
	hold drop clients
	hold drop servers
	wait_for 'the third to be dropped' 50 dropped_are $((PLACES + 1))
	wait
	ended 1 "$t0" $READY_MS
	ended 2 "$t0" $READY_MS
	ended 3 "$t0" $((2 * READY_MS))
	wait_for 'the connections to go' 30 no_connections
	wait_for 'all memory to come back' 20 memory_is "$base"
	expect 'connections that are left' "$(half_open)" 0
	dmesg | grep -q 'timed out: nobody accepted the connection' || die 'no line in the log that says why'
}
