# SPDX-License-Identifier: GPL-2.0
# desc: memory per connection as the module counts it, and that it counts right
# param: DEV = rxe siw
# deadline: 240
# files: build/lab/hold/smbdirect_hold.ko
#
# Both ends are in one guest, so the difference of what the kernel holds is that of
# both; the module's own account in debugfs tells the ends apart. The two must
# agree. Limits as in connection.sh, where each end is measured on its own.

. "$lib/count.sh"
. "$lib/memory.sh"

N=48
HALF=32

# each KIND N : KiB per socket of that kind by the module's account; there are N of them
each() {
	expect "sockets, $1" "$(counter "$1_sockets")" "$2" >&2
	per "$(counter "$1_memory_bytes")" $(($2 * 1024))
}

run() {
	local start idle used quiet bare server client grown_server grown_client half ended measured own family=0
	[ "$DEV" = rxe ] || family=1
	module_load smbdirect
	link_up "$DEV"
	hold_load addr="$ADDR" iwarp=$family
	hold listen
	hold bare listen 1
	hold connect 4
	hold bare 4 1 0
	hold drop clients
	hold drop servers
	hold drop bare
	wait_for 'the first connections to go' 30 no_connections

	start=$(settled_memory)
	hold connect $N
	wait_for 'the connections to be accepted' 10 held servers $N
	server=$(each server $N) client=$(each client $N)
	idle=$(settled_memory)

	hold echo 1 &
	hold talk 1
	wait
	echo 1300 >/sys/module/smbdirect_hold/parameters/longest
	hold echo 64 &
	hold burst 64
	wait
	grown_server=$(each server $N) grown_client=$(each client $N)
	used=$(value own "$(kernel_memory)")

	hold drop clients
	wait_for 'the connections to end' 30 no_connections
	expect 'server sockets that are listed' "$(counter server_sockets)" 0
	ended=$(per $(($(counter memory_bytes) - $(value own "$start"))) $((N * 1024)))
	hold drop servers

	quiet=$(settled_memory)
	expect "the module's own account" "$(value own "$quiet")" "$(value own "$start")"
	# regions of the client are the difference in number of all
	hold bare $N 1 $(($(growth mr "$start" "$idle") / N))
	wait_for 'the bare connections' 10 held accepted $N
	bare=$(settled_memory)
	hold drop bare
	wait_for 'the bare connections to go' 30 no_connections

	hold half $HALF
	half=$(each half_open $HALF)
	hold drop bare
	wait_for 'the half-open connections to go' 30 no_connections

	own=$(kib own "$start" "$idle" $((N * 1024)))
	measured=$(awk -v a="$(growth total "$start" "$idle")" -v q="$(growth device "$start" "$idle")" \
		-v b="$(growth total "$quiet" "$bare")" -v p="$(growth device "$quiet" "$bare")" -v n=$N \
		'BEGIN { printf "%.1f", (a - q - b + p) / n }')
	say "idle:     $start"
	say "          $idle"
	say "bare:     $quiet"
	say "          $bare"
	say "KiB per connection, by the module's account:"
	say "  server: idle $server, used $grown_server, half-open $half, ended $ended"
	say "  client: idle $client, used $grown_client"
	say "  both idle: $own, by difference: $measured; both used: $(per "$used" $((N * 1024)))"
	say "  queues of the device, both ends: $(kib device "$start" "$idle" $N)"
	within 'server, idle' "$server" 150
	within 'server, half-open' "$half" 8
	within 'server, ended and not released' "$ended" 8
	within 'client, idle' "$client" 400
	awk -v a="$own" -v b="$measured" 'BEGIN { d = a - b; exit !(d < 0.1 * b && -d < 0.1 * b) }' ||
		die "the module's account is $own KiB a connection, measured $measured"
	say "ok: account and difference agree within a tenth"
}
