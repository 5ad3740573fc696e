# SPDX-License-Identifier: GPL-2.0
# desc: memory per connection, measured by difference, each end in a guest of its own
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe
# deadline: 420
# files: build/lab/hold/smbdirect_hold.ko
#
# Limits for one connection with the parameters of ksmbd and cifs, in KiB of
# module memory: what the kernel holds more, less queues of the RDMA driver, less
# what the RDMA stack needs for a connection without smbdirect.ko ("bare": the same
# number of completion queues and regions, no buffers).
#
#            idle   half-open   ended, not released
#   server    150           8                     8
#   client    400           -                     8
#
# "used" (no limit) is idle again, after every connection has carried a message
# of 100,000 bytes and then 64 small ones at once, each way.

. "$lib/count.sh"
. "$lib/memory.sh"

N=${CONNECTIONS:-64}
# The listener takes at most 32 half-open ones from one address.
HALF=120
SOURCES='10.9.0.2 10.9.0.3 10.9.0.4 10.9.0.5'
# Completion queues of a connection; regions of a client connection while idle.
case $SMBDIRECT in
rust) CQS=1 MRS=2 ;;
c) CQS=2 MRS=16 ;;
esac

declare -A mem
# at NAME [WHAT N] : both guests are where it is to be measured, and stay until it
# is done. In this one, N of WHAT exist.
at() {
	barrier "at-$1" 100 || die "$1"
	mem[$1]=$(settled_memory)
	cp /proc/slabinfo "$OUT/slabinfo-$1-$VM"
	say "at $1: ${mem[$1]}"
	[ $# = 1 ] || held "$2" "$3" || die "not $3 $2: $(cat $hold_command)"
	barrier "measured-$1" 100 || die "$1"
}

# all_end KIND : no socket of this side is connected any more. Ours has then given
# back what it had of the RDMA stack; the C module does that at release.
all_end() {
	wait_for "$1 to end" 30 held "$1" 0
	[ "$SMBDIRECT" = c ] || wait_for 'the queue pairs to go' 30 no_connections
}

declare -A module
# row STATE BEFORE N [BARE] : BARE is what the RDMA stack takes, in KiB
row() {
	local before=${mem[$2]} after=${mem[$1]} n=$3 rdma=${4:-0} all queues
	all=$(kib total "$before" "$after" "$n")
	queues=$(kib device "$before" "$after" "$n")
	module[$1]=$(awk -v a="$all" -v q="$queues" -v r="$rdma" 'BEGIN { printf "%.1f", a - q - r }')
	printf '%-12s %8s %8s %8s %8s   %8s %8s %8s %8s   %8s\n' "$1" "$all" "$queues" "$rdma" \
		"${module[$1]}" "$(kib slab "$before" "$after" "$n")" \
		"$(kib slack "$before" "$after" "$n")" \
		"$(kib vmalloc "$before" "$after" "$n")" "$(kib pages "$before" "$after" "$n")" \
		"$(per "$(growth own "$before" "$after")" $((n * 1024)))"
}
table() {
	say "$ROLE, $SMBDIRECT, $DEV: KiB per connection ($N, half-open: $HALF)"
	printf '%-12s %8s %8s %8s %8s   %8s %8s %8s %8s   %8s\n' '' all queues rdma module \
		slab slack vmalloc pages own
}
# What the RDMA stack takes for a connection, without queues; as many as there are
# half-open ones, so that what is left of them has the least noise.
bare() {
	awk -v a="$(kib total "${mem[quiet]}" "${mem[bare]}" $HALF)" \
		-v q="$(kib device "${mem[quiet]}" "${mem[bare]}" $HALF)" 'BEGIN { printf "%.1f", a - q }'
}

start() {
	module_load smbdirect
	link_up "$DEV"
	# ours counts only those in its backlog that have negotiated
	hold_load addr="$1" longest=100000 sources="${SOURCES// /,}" \
		backlog=$([ "$SMBDIRECT" = c ] && echo 128 || echo 10)
}

server() {
	local kept=0
	start 0.0.0.0
	hold listen
	hold bare listen $CQS
	barrier ready 100
	# once for all that stays: caches, tables
	hear warm 60 >/dev/null
	hold drop servers
	hold drop bare

	at start
	at idle servers "$N"
	expect 'completion queues of a connection' "$(per "$(growth cq "${mem[start]}" "${mem[idle]}")" "$N")" $CQS.0
	tell echoing
	hold echo 1
	hold echo 64
	at used servers "$N"
	hear dropped 60 >/dev/null
	all_end servers
	at ended
	hold drop servers

	at again
	hear connected 60 >/dev/null
	hold drop servers
	barrier ended-client 60
	at ended-client

	at quiet
	at bare accepted $HALF
	hear bare-dropped 60 >/dev/null
	hold drop bare

	at half
	expect 'half-open connections' "$(growth qp "${mem[quiet]}" "${mem[half]}")" $HALF
	hear half-dropped 60 >/dev/null
	[ "$SMBDIRECT" = c ] || wait_for 'the half-open ones to end' 30 no_connections

	[ "$SMBDIRECT" = rust ] || kept=$(bare)
	table
	row idle start "$N" "$(bare)"
	row used start "$N" "$(bare)"
	row ended start "$N" "$kept"
	row half quiet $HALF "$(bare)"
	row again start "$N"
	[ "$SMBDIRECT" = rust ] || return 0
	within 'idle, accepted' "${module[idle]}" 150
	within 'ended, not released' "${module[ended]}" 8
	within 'half-open' "${module[half]}" 8
	expect "the module's own account at the end" "$(counter memory_bytes)" "$(value own "${mem[start]}")"
}

client() {
	local address kept=0
	start "$ADDR"
	for address in $SOURCES; do
		ip addr replace "$address/24" dev "$NETDEV"
	done
	barrier ready 100
	hold connect 8
	hold bare 8 $CQS $MRS
	hold drop clients
	hold drop bare
	wait_for 'the first connections to go' 30 no_connections
	tell warm

	at start
	hold connect "$N"
	at idle clients "$N"
	expect 'regions of a connection' "$(per "$(growth mr "${mem[start]}" "${mem[idle]}")" "$N")" $MRS.0
	hear echoing 60 >/dev/null
	hold talk 1
	echo 1300 >/sys/module/smbdirect_hold/parameters/longest
	hold burst 64
	at used clients "$N"
	hold drop clients
	tell dropped
	at ended

	at again
	hold connect "$N"
	tell connected
	barrier ended-client 60
	all_end clients
	at ended-client
	hold drop clients

	at quiet
	hold bare $HALF $CQS $MRS
	at bare
	hold drop bare
	tell bare-dropped

	hold half $HALF
	at half bare $HALF
	hold drop bare
	tell half-dropped

	[ "$SMBDIRECT" = rust ] || kept=$(bare)
	table
	row idle start "$N" "$(bare)"
	row used start "$N" "$(bare)"
	row ended-client again "$N" "$kept"
	row again start "$N"
	[ "$SMBDIRECT" = rust ] || return 0
	within 'idle' "${module[idle]}" 400
	within 'ended, not released' "${module[ended-client]}" 8
	expect "the module's own account at the end" "$(counter memory_bytes)" "$(value own "${mem[start]}")"
}
