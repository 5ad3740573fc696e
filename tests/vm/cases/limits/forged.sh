# SPDX-License-Identifier: GPL-2.0
# desc: connect requests that name other addresses than their sender's are charged to their sender
# param: DEV = rxe
# deadline: 120
# files: build/lab/hold/smbdirect_hold.ko
#
# On InfiniBand and RoCE a request has the address of its sender as a piece of data; who
# writes requests of its own may put in any. iWARP has a TCP connection instead.

. "$lib/count.sh"
. "$lib/memory.sh"

# of one source, half-open
MOST=32

claims() { local i; for ((i = 100; i < 148; i++)); do printf '10.9.0.%d%s' "$i" "${1:+$1}"; done; }
no_half_open() { [ "$(counter half_open_sockets)" = 0 ]; }
at_rest() { [ "$(counter half_open_sockets)" = $MOST ]; }

run() {
	local list shown
	list=$(claims ,)
	module_load smbdirect max_connections_per_address=40
	link_up "$DEV"
	hold_load addr="$ADDR" claims="${list%,}"
	hold listen
	hold half 48
	wait_for "the half-open connections to be $MOST" 20 at_rest
	shown=$(grep -c 'peer 10\.9\.0\.1[0-4][0-9]:' /sys/kernel/debug/smbdirect/connections || true)
	at_least 'connections that are shown with the address that they claim' "$shown" $MOST
	hold drop bare
	wait_for 'the half-open connections to be over' 60 no_half_open
}
