# SPDX-License-Identifier: GPL-2.0
# desc: smbdirectctl trace records a mount with I/O, counts what the counters count, and leaves nothing behind
# param: DEV = rxe siw
# deadline: 400
# memory: 1536
# files: build/tool/smbdirectctl

. "$lib/count.sh"
. "$lib/memory.sh"
. "$lib/counters.sh"

T=/sys/kernel/tracing
ctl() { "$MODULES/smbdirectctl" "$@"; }
nothing_left() { [ -z "$(ls $SMBD/connections)" ] && no_connections; }
instances() { find $T/instances -mindepth 1 -maxdepth 1 -name 'smbdirectctl-*' | wc -l; }
no_instances() { [ "$(instances)" = 0 ]; }
recording() { grep -q 'recording' /tmp/said; }

# trace ARGUMENT... : in the background, from the moment that it records
trace() {
	: >/tmp/said
	"$MODULES/smbdirectctl" trace "$@" >/tmp/shown 2>/tmp/said &
	tracer=$!
	wait_for 'the recording' 20 recording
}
# ended [STATUS] : waits for the one above
ended() {
	local rc=0
	wait $tracer || rc=$?
	[ "$rc" = "${1:-0}" ] || { cat /tmp/said; die "trace gave $rc, should be ${1:-0}"; }
	expect 'instances left' "$(instances)" 0
}
# events NAME : how many of them are in JSON
events() { grep -c "\"event\":\"smbd_$1\"" /tmp/shown || true; }
# without TEXT : how many lines do not have it
without() { grep -cv "$1" /tmp/shown || true; }
work() {
	local i
	cp /tmp/in /mnt/file
	cmp /tmp/in /mnt/file
	dd if=/tmp/in of=/mnt/small bs=3000 count=20 oflag=direct conv=notrunc status=none
	mkdir /mnt/dir
	for i in $(seq 20); do echo "$i" >"/mnt/dir/a-longer-name-than-usual-so-that-a-listing-needs-several-fragments-$i"; done
	ls -l /mnt/dir >/dev/null
	rm -r /mnt/dir
}

run() {
	local before after client server rc=0 leftover
	modules_load
	link_up "$DEV"
	mountpoint -q $T || mount -t tracefs none $T
	ksmbd_start
	random_file /tmp/in $((1 << 20))

	# the instance of a process that is gone goes; of one that lives, and others', stay
	mkdir $T/instances/smbdirectctl-999999 $T/instances/other
	before=$(counters_now)
	trace -e all --buffer 16384 --json --save /tmp/saved --pcapng /tmp/messages.pcapng
	[ ! -e $T/instances/smbdirectctl-999999 ] || die 'what a dead process left is still there'
	[ -e $T/instances/smbdirectctl-$tracer ] || die 'there is no instance'
	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	work
	umount /mnt
	wait_for 'the connections to go' 30 nothing_left
	kill -INT $tracer
	ended
	after=$(counted "$before")
	cat /tmp/said
	rmdir $T/instances/other
	python3 -c 'import json, sys; [json.loads(line) for line in open("/tmp/shown")]'
	expect 'lost events' "$(grep -c '"event":"lost"' /tmp/shown || true)" 0
	expect 'messages sent' "$(events send)" "$(by messages_sent "$after")"
	expect 'messages received' "$(events recv)" "$(by messages_received "$after")"
	expect 'registrations' "$(events reg)" "$(by fast_registrations "$after")"
	expect 'RDMA transfers' "$(events rdma_begin)" "$(by rdma_transfers "$after")"
	expect 'negotiate messages' "$(($(events send_negotiate) + $(events recv_negotiate)))" 4
	grep -q '"what":"Negotiate Request"' /tmp/shown || die 'no negotiate request'
	grep -q '"what":"Negotiate Response"' /tmp/shown || die 'no negotiate response'
	grep -q '"last":true' /tmp/shown || die 'no message of several fragments'
	expect 'messages in the capture' "$(sed -n 's/.*, \([0-9]*\) messages in .*/\1/p' /tmp/said)" \
		"$(($(by messages_sent "$after") + $(by messages_received "$after") + 4))"
	# the same again, out of the recording
	ctl trace --read /tmp/saved -e all --json --pcapng /tmp/again.pcapng >/tmp/again
	cmp /tmp/shown /tmp/again
	cmp /tmp/messages.pcapng /tmp/again.pcapng
	cp /tmp/saved /tmp/messages.pcapng "$OUT/"
	ctl trace --read /tmp/saved >"$OUT/ladder"
	[ "$(grep -c '|=.*RDMA Write' "$OUT/ladder")" -gt 0 ] || die 'no RDMA write in the ladder'
	head -c 100000 /dev/urandom | ctl trace --read - >/dev/null 2>&1 || rc=$?
	expect 'exit status for garbage' $rc 4

	# filters, in the kernel and in the tool
	share_mount /mnt cache=none
	client=$(grep -l '^role client' $SMBD/connections/*/info | sed 's|.*/connections/||; s|/info||')
	server=$(grep -l '^role server' $SMBD/connections/*/info | sed 's|.*/connections/||; s|/info||')
	trace --connection "$client" --json
	expect 'filter of the kernel' "$(cat $T/instances/smbdirectctl-*/events/smbdirect/smbd_send/filter)" "conn == $client"
	expect 'filter of an event that is not wanted' "$(cat $T/instances/smbdirectctl-*/events/smbdirect/smbd_wc_recv/enable)" 0
	work
	kill -TERM $tracer
	ended
	[ "$(events send)" -gt 20 ] || die 'too few messages'
	expect 'events of other connections' "$(without "\"connection\":$client,")" 0
	expect 'events without a device' "$(without "\"device\":\"${DEV}0\"")" 0
	trace --peer "$(of $SMBD/connections/"$client"/info peer)" --events messages --json
	expect 'filter of the kernel' "$(cat $T/instances/smbdirectctl-*/events/smbdirect/smbd_send/filter)" "conn != $server"
	work
	# one that is new is found by its peer
	share_mount /mnt2 cache=none,nosharesock
	umount /mnt2
	kill -INT $tracer
	ended
	expect 'connections with that peer' "$(sed 's/.*"connection":\([0-9]*\),.*/\1/' /tmp/shown | sort -u | wc -l)" 2
	expect 'other events than messages' "$(without '"group":"messages"')" 0
	trace --device "${DEV}0" -n 7
	work
	ended
	grep -q "connection $client is there already: client of .* over ${DEV}0" /tmp/shown || die 'the connection is not introduced'
	expect 'lines of events' "$(grep -c '^ *[0-9.]* *[0-9]*  [|*]' /tmp/shown)" 7
	cat /tmp/shown
	trace --duration 1
	ended
	# one that comes too late for a small buffer says so
	trace -e all --buffer 64 --pcapng /tmp/late.pcapng
	kill -STOP $tracer
	dd if=/tmp/in of=/mnt/small bs=512 count=800 oflag=direct conv=notrunc status=none
	kill -CONT $tracer
	kill -INT $tracer
	ended
	grep -q '~~~ .*events of processor [0-9]* were lost here' /tmp/shown || die 'the ladder does not show that events are missing'
	sed -n '/~~~/p' /tmp/shown | head -n 3
	grep 'were lost in [1-9]' /tmp/said || die 'the last line does not say that events are missing'
	# whoever reads has gone
	: >/tmp/said
	"$MODULES/smbdirectctl" trace 2>/tmp/said | head -n 2 &
	wait_for 'the recording' 20 recording
	work
	wait_for 'the tracer without a reader to end' 20 no_instances
	umount /mnt
	rc=0
	ctl trace -d "${DEV}1" 2>/tmp/said || rc=$?
	expect 'exit status for a wrong device' $rc 2
	grep -q "the nearest is '${DEV}0'" /tmp/said || die 'no nearest device'
	rc=0
	ctl trace -e mesages 2>/tmp/said || rc=$?
	expect 'exit status for a wrong event' $rc 2

	# killed, and the next one cleans up
	"$MODULES/smbdirectctl" trace >/dev/null 2>/tmp/said &
	leftover=$!
	wait_for 'the recording' 20 recording
	kill -KILL $leftover
	wait $leftover || true
	expect 'instances of the killed one' "$(instances)" 1
	ctl trace -t 1 >/dev/null
	expect 'instances' "$(instances)" 0

	# the module goes in the middle, and is not there
	ksmbd_stop
	: >/tmp/said
	"$MODULES/smbdirectctl" trace >/dev/null 2>/tmp/said &
	leftover=$!
	wait_for 'the recording' 20 recording
	rmmod ksmbd cifs
	rmmod smbdirect
	wait $leftover
	grep -q 'the module was unloaded' /tmp/said || die 'trace does not say that the module has gone'
	expect 'instances' "$(instances)" 0
	rc=0
	ctl trace 2>/tmp/said || rc=$?
	expect 'exit status without the module' $rc 5
}
