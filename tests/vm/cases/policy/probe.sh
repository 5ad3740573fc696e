# SPDX-License-Identifier: GPL-2.0
# desc: probes: a server that answers, that does not, that is not there; two at once, rmdir and rmmod beside one, killed
# param: DEV = rxe siw
# deadline: 300
# files: build/lab/hold/smbdirect_hold.ko

. "$lib/count.sh"
. "$lib/counters.sh"
. "$lib/memory.sh"
. "$lib/policy.sh"

PROBES=$POLICY/probes
INVALID='Invalid argument' RANGE='Numerical result out of range' BUSY='Device or resource busy'

# fresh NAME [FILE VALUE]... : a probe with these
fresh() {
	local name=$1
	shift
	mkdir -p "$PROBES/$name"
	while [ $# != 0 ]; do
		put "probes/$name/$1" "$2"
		shift 2
	done
}
# found NAME KEY : a line of the result
found() { awk -v n="$2" '$1 == n { print $2 }' "$PROBES/$1/result"; }
# gives NAME KEY=VALUE... : runs it, and the result has these
gives() {
	local name=$1 pair
	shift
	put "probes/$name/run" 1
	for pair; do
		[ "$(found "$name" "${pair%%=*}")" = "${pair#*=}" ] ||
			{ cat "$PROBES/$name/result"; die "the probe has not found $pair"; }
	done
	say "ok: $(tr '\n' ' ' <"$PROBES/$name/result")"
}
running() { [ "$(found "$1" outcome)" = running ]; }
# at_once NAME : writes to run in the background; its process is $probing
at_once() {
	bash -c "echo 1 >$PROBES/$1/run" 2>"/tmp/said.$1" &
	probing=$!
	wait_for 'the probe to run' 20 running "$1"
}

files() {
	local bad i
	fresh one
	holds probes/one/address default
	holds probes/one/port default
	holds probes/one/timeout default
	holds probes/one/result 'outcome none'
	not_put probes/one/run 'Destination address required' 1
	not_put probes/one/run "$INVALID" 2
	for bad in '' x 10.9.0 10.9.0.1.2 10.9.0.1:445 fd09::1::2 'fe80::1%nothing' "$(printf '1%.0s' {1..64})"; do
		not_put probes/one/address "$INVALID" "$bad"
	done
	for bad in fd09::1 "fe80::1%$NETDEV" "$ADDR"; do
		put probes/one/address "$bad"
		holds probes/one/address "$bad"
	done
	for bad in '' x -1 010 445s; do
		not_put probes/one/port "$INVALID" "$bad"
		not_put probes/one/timeout "$INVALID" "$bad"
	done
	for bad in 0 65536 4294967742; do
		not_put probes/one/port "$RANGE" "$bad"
	done
	for bad in 0 121; do
		not_put probes/one/timeout "$RANGE" "$bad"
	done
	put probes/one/port 1
	put probes/one/port default
	put probes/one/timeout 120
	[ "$(stat -c %a $PROBES/one/run)" = 660 ] || die 'others than root may run a probe'
	not_made probes/one/more 'Operation not permitted'
	not_made draft/probes 'No such file or directory'
	for i in {2..16}; do
		mkdir $PROBES/p$i
	done
	not_made probes/p17 'No space left on device'
	rmdir $PROBES/p{2..16}
	expect_fail 'rmdir of probes with one in it' rmdir $PROBES
	rmdir $PROBES/one
	say 'ok: files'
}

servers() {
	local before family=0
	[ "$DEV" = rxe ] || family=1
	hold_load addr="$ADDR" iwarp=$family
	fresh one address "$ADDR" port 4450 timeout 10
	gives one outcome=failed stage=connect cause=refused errno=111 port=4450
	hold listen
	before=$(total connections_initiated)
	gives one outcome=connected device="${DEV}0" port=4450 max_recv_size=1364 max_send_size=1364
	expect connections_initiated $(($(total connections_initiated) - before)) 1
	wait_for 'the connection to end' 30 no_connections
	hold drop servers

	# the connection manager takes it, and then there is silence
	hold mute
	put probes/one/port 4452
	put probes/one/timeout 2
	gives one outcome=failed stage=negotiate cause=handshake_timeout errno=110
	[ "$(found one msec)" -le $((5000 * ${PATIENCE:-1})) ] || die "it took $(found one msec) ms"
	wait_for 'the connection to end' 30 no_connections

	# an address without a way
	put probes/one/address 192.0.2.1
	gives one outcome=failed stage=address device=-
	# another namespace has no way either
	put probes/one/address "$ADDR"
	put probes/one/port 4450
	ip netns add empty
	nsenter --net=/run/netns/empty sh -c "echo 1 >$PROBES/one/run"
	expect 'stage in an empty namespace' "$(found one stage)" address
	ip netns delete empty
	gives one outcome=connected
	# IPv6, where nobody listens
	put probes/one/address "$ADDR6"
	gives one outcome=failed stage=connect cause=refused
	put probes/one/address "$ADDR"
}

at_the_same_time() {
	local start rc=0 removing
	put probes/one/port 4452
	put probes/one/timeout 8
	fresh two address "$ADDR" port 4450
	at_once one
	not_put probes/one/run "$BUSY" 1
	not_put probes/one/address "$BUSY" 10.9.0.2
	not_put probes/one/timeout "$BUSY" 3
	gives two outcome=connected
	running one || die 'the first probe has ended too early'
	rmdir $PROBES/one &
	removing=$!
	wait $probing || die "the probe failed: $(cat /tmp/said.one)"
	wait $removing || die 'rmdir failed'
	[ ! -e $PROBES/one ] || die 'the directory is still there'
	say 'ok: rmdir waits for the probe'

	# whoever is killed goes at once
	fresh one address "$ADDR" port 4452 timeout 120
	at_once one
	start=$(now_ms)
	kill -KILL $probing
	wait $probing 2>/dev/null || rc=$?
	expect 'exit status of the killed' $rc 137
	[ $(($(now_ms) - start)) -le $((5000 * ${PATIENCE:-1})) ] || die 'a killed probe goes on'
	expect 'its cause' "$(found one cause)" interrupted
	# a signal too, and the one after it works
	at_once one
	kill -TERM $probing
	wait $probing 2>/dev/null || true
	put probes/one/port 4450
	wait_for 'the probe to be free' 20 idle one
	gives one outcome=connected
}
idle() { ! running "$1" && echo 1 2>/dev/null >"$PROBES/$1/run"; }

run() {
	local port=445 i
	policy_load
	link_up "$DEV"
	files
	servers
	at_the_same_time
	hold drop servers
	for i in {1..20}; do
		echo 1 >$PROBES/one/run
	done
	rmdir $PROBES/one $PROBES/two $PROBES
	hold drop listener
	hold drop mute
	rmmod smbdirect_hold
	trap - EXIT
	wait_for 'the connections to go' 30 no_connections
	expect 'memory of the module' "$(counter memory_bytes)" 0

	# the kernel's server, as cifs finds it
	[ "$DEV" = rxe ] || port=5445
	ksmbd_start
	fresh one address "$ADDR"
	wait_for 'the server to take connections' 20 served
	gives one outcome=connected port=$port
	[ "$DEV" = siw ] || expect 'the other port' "$(found one other_port) $(found one other_cause)" '5445 device'
	ksmbd_stop
	gives one outcome=failed port=$port stage=connect cause=refused
	rmmod ksmbd
	absent
}
# Where nobody is: the interface is a dummy, which swallows everything. siw connects in a blocking call, of which 15 s are left when the probe has ended.
absent() {
	local start
	sysctl -q -w net.ipv4.tcp_syn_retries=3
	put probes/one/address 10.9.0.77
	put probes/one/timeout 3
	at_once one
	expect_fail 'rmmod beside a probe' rmmod smbdirect
	wait $probing || die "the probe failed: $(cat /tmp/said.one)"
	gives one outcome=failed cause=handshake_timeout
	start=$(now_ms)
	rmdir $PROBES/one
	[ $(($(now_ms) - start)) -le $((2000 * ${PATIENCE:-1})) ] || die 'rmdir waits for what the probe has left'
	expect_fail 'rmmod beside an empty probes' rmmod smbdirect
	rmdir $PROBES
	rmmod smbdirect || die 'smbdirect is still in use'
	sysctl -q -w net.ipv4.tcp_syn_retries=6
}
served() { put probes/one/run 1 && [ "$(found one outcome)" = connected ]; }
