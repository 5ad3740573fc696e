# SPDX-License-Identifier: GPL-2.0
# desc: 1,000 half-open connections from eight addresses while an honest client mounts and works
# param: DEV = rxe siw
# deadline: 300
# files: build/lab/hold/smbdirect_hold.ko
#
# The flood only ever completes the handshake of the connection manager; the server
# gives each of them 5 seconds, or more in a slow kernel, where fewer come meanwhile.

. "$lib/count.sh"
. "$lib/memory.sh"

FLOOD=1000
# at most: half-open ones are 128, each up to 8 KiB and what its teardown still has
BOUND_KIB=$((256 * 8))

flood_goes_on() { kill -0 "$flood" 2>/dev/null; }
some_half_open() { [ "$(half_open)" -ge "$1" ]; }

# timed_mount DIR : prints how long it took, in ms
timed_mount() {
	local t0
	t0=$(now_ms)
	share_mount "$1" || die "mounting $1 failed"
	echo $(($(now_ms) - t0))
}

run() {
	local family=0 port=445 sources='' i quiet busy base most=0 bytes
	[ "$DEV" = rxe ] || { family=1 port=5445; }
	modules_load
	link_up "$DEV"
	for i in 11 12 13 14 15 16 17 18; do
		ip addr add 10.9.0.$i/24 dev "$NETDEV"
		sources+="${sources:+,}10.9.0.$i"
	done
	negotiate_patiently
	ksmbd_start
	share_mount /mnt/first
	umount /mnt/first
	quiet=$(timed_mount /mnt/quiet)
	base=$(counter memory_bytes)

	hold_load addr="$ADDR" port=$port iwarp=$family sources="$sources"
	(
		# those that the server has dropped are given back in between
		for i in $(seq $((FLOOD / 250))); do
			hold half 250
			hold drop bare
		done
	) &
	flood=$!
	wait_for 'the flood to rise' 30 some_half_open $((100 / PATIENCE))
	busy=$(timed_mount /mnt/busy)
	flood_goes_on || die 'the flood was over before the mount was'
	say "ok: mounted in $busy ms during the flood, $quiet ms before it"
	rdma_mounted /mnt/busy || die 'the mount does not use RDMA'
	# two seconds on a machine that mounts in half of one
	at_most 'time to mount, ms' "$busy" $((4 * quiet + 2000 * PATIENCE))
	random_file /tmp/file 3000000
	cp /tmp/file /mnt/busy/file
	cmp /tmp/file "$SHARE_DIR/file" || die 'the file differs'
	while flood_goes_on; do
		bytes=$(counter half_open_memory_bytes)
		[ "$bytes" -le "$most" ] || most=$bytes
		cp /tmp/file /mnt/busy/file
		sleep 0.2
	done
	wait "$flood" || die 'the flood broke off'
	at_most 'memory of half-open connections, KiB' $((most >> 10)) $BOUND_KIB
	cmp /tmp/file "$SHARE_DIR/file" || die 'the file differs after the flood'

	hold half 40
	wait_for 'half-open connections to be ended by the server' 20 half_are 0
	umount /mnt/busy /mnt/quiet
	hold drop bare
	say "ok: refused $(counter connections_refused) of $((FLOOD + 40)) requests"
}
