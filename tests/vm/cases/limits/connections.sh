# SPDX-License-Identifier: GPL-2.0
# desc: limits on all connections and on those from one address; who is refused, and that it is said
# param: DEV = rxe siw
# deadline: 120
# files: build/lab/hold/smbdirect_hold.ko

. "$lib/count.sh"
. "$lib/memory.sh"

PER_ADDRESS=6
ALL=10

# said TEXT : how often the kernel log has it
said() { dmesg | grep -cF "$1" || true; }

run() {
	local family=0 address i
	[ "$DEV" = rxe ] || family=1
	module_load smbdirect max_connections=$ALL max_connections_per_address=$PER_ADDRESS
	link_up "$DEV"
	for i in 2 3 4; do
		ip addr add 10.9.0.$i/24 dev "$NETDEV"
	done
	hold_load addr="$ADDR" iwarp=$family sources=10.9.0.2,10.9.0.3,10.9.0.4
	hold listen

	hold connect $PER_ADDRESS
	wait_for 'the connections to be accepted' 20 held servers $PER_ADDRESS
	expect_fail "connection $((PER_ADDRESS + 1)) from one address" \
		sh -c "echo connect 1 >$hold_command"
	expect 'requests that were refused' "$(counter connections_refused)" 1
	[ "$(said "$ADDR:")" != 0 ] && [ "$(said 'max_connections_per_address')" = 1 ] ||
		die 'no line in the log that says why, with the address'
	expect 'servers' "$(counter server_sockets)" $PER_ADDRESS

	# others are served until all places are taken
	hold half $((ALL - PER_ADDRESS))
	expect 'half-open connections' "$(half_open)" $((ALL - PER_ADDRESS))
	expect_fail "connection $((ALL + 1))" sh -c "echo half 1 >$hold_command"
	[ "$(said '(max_connections)')" = 1 ] || die 'no line in the log for the limit of all'

	# a place becomes free when a connection has ended, not before
	hold drop bare
	hold drop clients
	wait_for 'the connections to end' 30 no_connections
	hold drop servers
	hold connect 1
	wait_for 'the next connection to be accepted' 20 held servers 1
}
