# SPDX-License-Identifier: GPL-2.0
# desc: 500 connections at once: memory of each, all of them at work with fair progress, and the end of all
# param: DEV = rxe siw
# deadline: 600
# memory: 4096
# files: build/lab/hold/smbdirect_hold.ko

. "$lib/count.sh"
. "$lib/memory.sh"

N=500
MESSAGES=10
LENGTH=1300

# field NAME : least or most, of the messages that were done when the first was through
field() { awk -v n="$1" '{ for (i = 1; i < NF; i++) if ($i == n) print $(i + 1) }' "$hold_command"; }
each() { per "$(counter "$1_memory_bytes")" $(($(counter "$1_sockets") * 1024)); }

memory_back() { [ "$(counter memory_bytes)" -le "$1" ]; }

run() {
	local family=0 t0 idle_server idle_client base
	[ "$DEV" = rxe ] || family=1
	module_load smbdirect
	link_up "$DEV"
	hold_load addr="$ADDR" iwarp=$family longest=$LENGTH
	hold listen
	hold connect 1
	wait_for 'the first connection to be accepted' 10 held servers 1
	hold drop clients
	hold drop servers
	wait_for 'the first connection to go' 30 no_connections
	base=$(counter memory_bytes)

	t0=$(now_ms)
	hold connect $N
	wait_for 'all connections to be accepted' 30 held servers $N
	say "$N connections made in $(($(now_ms) - t0)) ms"
	idle_server=$(each server) idle_client=$(each client)
	say "idle: $idle_server KiB each at the server, $idle_client at the client, $(kernel_memory)"
	within 'server, idle' "$idle_server" 150
	within 'client, idle' "$idle_client" 400

	t0=$(now_ms)
	hold storm $MESSAGES
	say "$((N * MESSAGES)) messages of up to $LENGTH bytes each way in $(($(now_ms) - t0)) ms"
	say "when the first connection had carried $MESSAGES, the others had carried $(field least) to $(field most)"
	[ "$(field most)" = $MESSAGES ] || die 'no connection came to its end'
	# a queue of messages for each, and nobody waits for all the others
	at_least 'messages of the slowest' "$(field least)" 1
	say "used: $(each server) KiB each at the server, $(each client) at the client"
	expect 'clients that are connected' "$(counter client_sockets)" $N

	t0=$(now_ms)
	hold drop clients
	wait_for 'the connections to end' 60 no_connections
	hold drop servers
	say "all ended in $(($(now_ms) - t0)) ms"
	wait_for 'the sockets to go' 20 memory_back "$base"
	expect 'sockets' "$(counter sockets)" 1
}
