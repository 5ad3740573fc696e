# SPDX-License-Identifier: GPL-2.0
# desc: half-open limit, negotiate and credit timeout are changed by config apply: what that means for connections that exist and for new ones
# modules: rust
# param: DEV = rxe siw
# deadline: 240
# files: build/lab/hold/smbdirect_hold.ko build/tool/smbdirectctl

. "$lib/count.sh"
. "$lib/counters.sh"
. "$lib/memory.sh"
. "$lib/policy.sh"

# apply [LINE...] : a file with these lines in [global], and nothing else, is in force
apply() {
	{ echo '[global]'; printf '%s\n' "$@"; } >/tmp/ksmbd.conf
	ctl config apply /tmp/ksmbd.conf 2>/tmp/why || { cat /tmp/why; die "config apply failed: $*"; }
}
ended() { of $SMBD/failures "failed_$1"; }
ended_of_established() { of $SMBD/failures "ended_$1"; }

half_open_limit() {
	# (they would time out meanwhile)
	apply 'smb direct negotiate timeout = 120'
	hold half 20
	wait_for '20 half-open connections' 20 half_are 20
	# those that are there stay, although they are more than is allowed now
	apply 'smb direct negotiate timeout = 120' 'smb direct max half open = 8'
	sleep 1
	expect 'half-open, with a lower limit' "$(half_open)" 20
	expect 'dropped' "$(ended crowded)" 0
	# each newcomer takes the place of one
	hold half 5
	wait_for 'five to be dropped' 20 dropped 5
	wait_for 'half-open connections' 20 half_are 20
	apply 'smb direct negotiate timeout = 120'
	hold half 5
	wait_for '25 half-open connections' 20 half_are 25
	expect 'dropped, without a limit' "$(ended crowded)" 5
	hold drop bare
	wait_for 'the half-open connections to go' 30 half_are 0
}
dropped() { [ "$(ended crowded)" = "$1" ]; }

negotiate_timeout() {
	local before
	before=$(ended handshake_timeout)
	apply 'smb direct negotiate timeout = 60'
	hold half 1
	wait_for 'a half-open connection' 20 half_are 1
	apply 'smb direct negotiate timeout = 1'
	hold half 2
	wait_for 'three half-open connections' 5 half_are 3
	wait_for 'the two new ones to time out' 20 half_are 1
	expect 'timed out' $(($(ended handshake_timeout) - before)) 2
	# the old one has what was in force when it came
	sleep 3
	expect 'half-open from before' "$(half_open)" 1
	hold drop bare
	wait_for 'the half-open connection to go' 30 half_are 0
}

# The client sends and does not read: the server, which sends all back, gets no credits. What
# comes is how long it takes until the server gives up, in ms.
stall() {
	local t0
	t0=$(now_ms)
	hold_quietly echo 2000 &
	echo "burst 2000" >$hold_command 2>/dev/null && die 'a client that did not read got through'
	wait $! || true
	stalled=$(($(now_ms) - t0))
}
hold_quietly() { echo "$*" >$hold_command 2>/dev/null || true; }
again() {
	hold drop clients
	wait_for 'the connections to end' 30 no_connections
	hold drop servers
	hold connect 1
	wait_for 'the connection to be accepted' 10 held servers 1
}

credit_timeout() {
	local before stalled pid
	echo 1000 >/sys/module/smbdirect_hold/parameters/longest
	apply 'smb direct credit timeout = 300'
	hold connect 1
	wait_for 'the connection to be accepted' 10 held servers 1
	before=$(ended_of_established send_timeout)
	# the next wait of a connection that exists already has what is in force then
	apply 'smb direct credit timeout = 2'
	stall
	expect 'ended for want of credits' $(($(ended_of_established send_timeout) - before)) 1
	at_least 'ms until the server gave up' "$stalled" 2000
	at_most 'ms until the server gave up' "$stalled" $((60000 * ${PATIENCE:-1}))

	# one that has begun to wait goes on as long as it was told
	again
	apply 'smb direct credit timeout = 15'
	hold_quietly echo 2000 &
	pid=$!
	hold_quietly burst 2000 &
	wait_for 'the server to wait for credits' 30 server_waits
	apply 'smb direct credit timeout = 1'
	sleep 3
	expect 'ended for want of credits' $(($(ended_of_established send_timeout) - before)) 1
	wait_for 'the server to give up' 30 gave_up $((before + 2))
	wait $pid
	wait
	hold drop clients
	hold drop servers
}
# server_stalls : how often the server's connection has begun to wait for a credit
server_stalls() {
	local info
	info=$(grep -lx 'role server' $SMBD/connections/*/info) && of "${info%info}stats" credit_stalls
}
server_waits() { [ "$(server_stalls)" -gt 0 ]; }
gave_up() { [ "$(ended_of_established send_timeout)" = "$1" ]; }

run() {
	local family=0
	[ "$DEV" = rxe ] || family=1
	policy_load
	link_up "$DEV"
	hold_load addr="$ADDR" iwarp=$family
	hold listen
	half_open_limit
	negotiate_timeout
	credit_timeout
	put reset 1
}
