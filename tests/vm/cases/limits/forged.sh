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

run() {
	local shown
	module_load smbdirect max_connections_per_address=40
	link_up "$DEV"
	hold_load addr="$ADDR" claims="$(seq -s , -f '10.9.0.%g' 100 147)"
	hold listen
	hold half 48
	wait_for "the half-open connections to be $MOST" 20 half_are $MOST
	shown=$(grep -c 'peer 10\.9\.0\.1[0-4][0-9]:' /sys/kernel/debug/smbdirect/connections || true)
	at_least 'connections that are shown with the address that they claim' "$shown" $MOST
	hold drop bare
	wait_for 'the half-open connections to be over' 60 half_are 0
}
