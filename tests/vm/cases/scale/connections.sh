# SPDX-License-Identifier: GPL-2.0
# desc: 500 connections at once: memory of each, all of them at work with fair progress (messages, then RDMA), and the end of all
# param: DEV = rxe siw
# deadline: 1200
# memory: 4096
# icount: awake
# files: build/lab/hold/smbdirect_hold.ko
#
# Both ends of each are in this guest, and rxe gives a connection up whose packets are not
# acknowledged for seven seconds, which happens to a few of 500 at work on emulated processors of a
# busy host. So the guest's time is the number of instructions that it has executed, and times
# are those of a processor of 10^9 a second.

. "$lib/count.sh"
. "$lib/counters.sh"
. "$lib/memory.sh"

N=500
# of up to 1300 bytes, there and back; pairs of a read and a write of up to 16 KiB
MESSAGES=100 LENGTH=1300
TRANSFERS=20 LENT=16384
# how much of its work the slowest connection has done when the fastest is through: a quarter
FAIR=4
# seconds for the end of all
END=10

each() { per "$(counter "$1_memory_bytes")" $(($(counter "$1_sockets") * 1024)); }
memory_back() { [ "$(counter memory_bytes)" -le "$1" ]; }

# storm COUNT WHAT COMMAND... : all at once; everybody gets on
storm() {
	local count=$1 what=$2 t0
	shift 2
	t0=$(now_ms)
	hold "$@" "$count"
	say "$((N * count)) $what in $(($(now_ms) - t0)) ms"
	say "when the first connection had done $count, the others had done $(hold_field least) to $(hold_field most)"
	[ "$(hold_field most)" = "$count" ] || die 'no connection came to its end'
	at_least "$what of the slowest when the fastest had done $count" "$(hold_field least)" $((count / FAIR))
	say "used: $(each server) KiB each at the server, $(each client) at the client"
	expect 'clients that are connected' "$(counter client_sockets)" $N
}

run() {
	local family=0 t0 idle_server idle_client base before after changes
	[ "$DEV" = rxe ] || family=1
	module_load smbdirect
	link_up "$DEV"
	hold_load addr="$ADDR" iwarp=$family longest=$LENGTH
	hold_once
	base=$(counter memory_bytes)
	before=$(settled_memory)

	t0=$(now_ms)
	hold connect $N
	wait_for 'all connections to be accepted' 30 held servers $N
	say "$N connections made in $(($(now_ms) - t0)) ms"
	idle_server=$(each server) idle_client=$(each client)
	after=$(settled_memory)
	say "idle: $idle_server KiB each at the server, $idle_client at the client, $after"
	say "both ends, by what the kernel holds more: $(kib total "$before" "$after" $N) KiB a connection, of it queues of the device $(kib device "$before" "$after" $N)"
	within 'server, idle' "$idle_server" 150
	within 'client, idle' "$idle_client" 400

	storm $MESSAGES "messages of up to $LENGTH bytes each way" storm

	echo $LENT >/sys/module/smbdirect_hold/parameters/longest
	before=$(counters_now)
	storm $TRANSFERS "pairs of an RDMA read and an RDMA write of up to $LENT bytes" storm rdma
	# data is compared at the ends; that it went by RDMA is counted
	changes=$(counted "$before")
	expect 'RDMA reads' "$(by rdma_reads "$changes")" $((N * TRANSFERS))
	expect 'RDMA writes' "$(by rdma_writes "$changes")" $((N * TRANSFERS))
	expect 'RDMA transfers that failed' "$(by rdma_failures "$changes")" 0

	t0=$(now_ms)
	hold drop clients
	wait_for 'the connections to end' $END no_connections
	hold drop servers
	at_most 'ms until all had ended' $(($(now_ms) - t0)) $((END * 1000 * PATIENCE))
	wait_for 'the sockets to go' 20 memory_back "$base"
	expect 'sockets' "$(counter sockets)" 1
}
